"""Files of votes of other channels (其他渠道投票文件): CSV, TXT or XLSX, one row a motion.

    证券账户,股份类别,议案序号,表决意见,票数,同意股数,反对股数,弃权股数,受托股份数,表决时间,受理序号

A plain motion has an opinion, or a nominee's shares by opinion; a candidate (4.01) has votes. Rows
of one account, class, time and number that follow each other are one vote. A row without a motion
says that its holder was admitted on site. Headers may stand in any order; what is not needed may be
left out. Rules of voting are not judged here (flags.py), only whether the file says what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import PurePath
from typing import IO, Any

from ballots.models import Channel, Opinion
from ballots.rules import normal_choices
from ballots.vote_faults import Fault, Faults, Unfit
from meetings.agenda import Agenda
from meetings.lifecycle import BEIJING
from meetings.models import ShareClass
from meetings.register.chunks import Reader, WholeFile
from meetings.register.findings import Finding, Unreadable, mask_value
from meetings.register.profiles import Layout
from meetings.register.text import TextReader
from meetings.register.xlsx import XlsxReader

MOST_DIGITS = 18
ACCOUNT = re.compile(r"[ABDEF]\d{9}|C[19]\d{8}")
HOUR = re.compile(r"\d{1,2}:\d\d:\d\d(\.\d{1,6})?")
MOTION = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?")

HEADERS = {
    "account_no": ("证券账户", "证券账户号码", "股东账号", "股东代码"),
    "share_class": ("股份类别", "证券类别"),
    "motion": ("议案序号", "议案编码"),
    "opinion": ("表决意见",),
    "votes": ("票数", "选举票数"),
    "for": ("同意股数",),
    "against": ("反对股数",),
    "abstain": ("弃权股数",),
    "declared": ("受托股份数", "受托股数"),
    "at": ("表决时间",),
    "seq": ("受理序号", "序号"),
}
MANDATORY = ("account_no", "motion")
OPINIONS = {str(opinion.label): opinion.value for opinion in Opinion} | {
    opinion.value: opinion.value for opinion in Opinion
}
SPLIT = {"for": "FOR", "against": "AGAINST", "abstain": "ABSTAIN"}


@dataclass
class FileVote:
    """One vote as the file says it; `choices` as a ballot stores them."""

    row: int
    account: str
    share_class: int
    at: datetime
    seq: int
    is_numbered: bool = True  # on site nobody may have kept numbers
    declared: int | None = None
    choices: dict[str, Any] = field(default_factory=dict)

    def is_continued_by(self, other: FileVote) -> bool:
        """Whether the next row still belongs to this vote."""
        is_same_number = self.seq == other.seq or not (self.is_numbered or other.is_numbered)
        place = (self.account, self.share_class, self.at)
        return is_same_number and place == (other.account, other.share_class, other.at)


class VoteFile:
    """The votes of a file one after another; what is wrong is in `faults` when they are through."""

    def __init__(
        self, file: IO[bytes], *, file_name: str, agenda: Agenda, channel: Channel
    ) -> None:
        self.agenda, self.channel = agenda, channel
        self.faults = Faults()
        self.rows_read = 0
        self._votes = 0
        self._classes = {c.code: c.number for c in agenda.share_classes} | {
            str(ShareClass.Code(c.code).label): c.number for c in agenda.share_classes
        }
        self._plain = {m.number for m in agenda.motions if not (m.is_cumulative or m.is_heading)}
        self._group_of = {c.number: m.number for m in agenda.motions for c in m.candidates}
        self._reader: Reader | None = None
        try:
            self._reader = _open(file, file_name)
            self._columns = self._recognise(self._reader.headers)
        except Unreadable as refusal:
            self._unreadable(refusal)
        except Unfit as unfit:
            self._reader = None
            self.faults.add(Fault.of(unfit.kind, column=unfit.column))

    def votes(self) -> Iterator[FileVote]:
        """Whole votes in the order of the file; those with a fault are left out."""
        try:
            yield from self._gathered()
        except Unreadable as refusal:
            self._unreadable(refusal)
        if not self.rows_read and not self.faults.counts:
            self.faults.add(Fault.of("NO_ROWS"))

    def _gathered(self) -> Iterator[FileVote]:
        """Rows that follow one another and are of one vote, put together."""
        vote: FileVote | None = None
        is_sound = True
        for row, line, cells in self._cells():
            self.rows_read += 1
            try:
                head = self._head(row, cells)
                if vote is None or not vote.is_continued_by(head):
                    if vote is not None and is_sound:
                        yield self._finished(vote)
                    vote, is_sound = head, True
                    self._votes += 1
                elif head.declared != vote.declared:
                    raise Unfit("DECLARED_DIFFERS", "declared")
                self._take(vote, cells)
            except Unfit as unfit:
                is_sound = False
                self._fault(unfit, row, line)
        if vote is not None and is_sound:
            yield self._finished(vote)

    def _recognise(self, headers: Any) -> dict[str, int]:
        meant = {header: name for name, known in HEADERS.items() for header in known}
        columns: dict[str, int] = {}
        for at, header in enumerate(headers):
            if (name := meant.get(header.strip())) is None:
                continue
            if name in columns:
                raise Unfit("DUPLICATE_COLUMN", HEADERS[name][0])
            columns[name] = at
        for name in MANDATORY:
            if name not in columns:
                raise Unfit("MISSING_COLUMN", HEADERS[name][0])
        return columns

    def _cells(self) -> Iterator[tuple[int, int | None, dict[str, str]]]:
        if self._reader is None:
            return
        layout = Layout(tuple(self._reader.headers), self._columns, None, ())
        for chunk in self._reader.chunks(layout):
            for finding in chunk.findings:
                self.rows_read += 1
                self._finding(finding)
            for cells in chunk.frame.iter_rows(named=True):
                yield cells["row"], cells["line"], cells

    def _head(self, row: int, cells: Mapping[str, str]) -> FileVote:
        account = cells["account_no"].upper()
        if not ACCOUNT.fullmatch(account):
            raise Unfit("ACCOUNT_FORMAT", "account_no", account)
        seq = self._number(cells, "seq")
        if seq is None and self.channel != Channel.ONSITE:
            raise Unfit("BLANK_VALUE", "seq")
        return FileVote(
            row=row,
            seq=row if seq is None else seq,
            is_numbered=seq is not None,
            account=account,
            share_class=self._class(cells.get("share_class", "")),
            at=self._time(cells.get("at", "")),
            declared=self._number(cells, "declared"),
        )

    def _take(self, vote: FileVote, cells: Mapping[str, str]) -> None:
        """Put what a row says into the vote."""
        text = cells["motion"]
        if not text:
            return
        match = MOTION.fullmatch(text)
        number = f"{int(match[1])}.{int(match[2] or 0):02d}" if match else ""
        if number in self._plain:
            choice = self._opinion(cells)
            if number in vote.choices:
                raise Unfit("REPEATED_MOTION", "motion", number)
            vote.choices[number] = choice
        elif number in self._group_of:
            votes = self._number(cells, "votes")
            if votes is None or cells.get("opinion"):
                raise Unfit("OPINION", "votes")
            group = vote.choices.setdefault(self._group_of[number], {})
            if number in group:
                raise Unfit("REPEATED_MOTION", "motion", number)
            group[number] = votes
        else:
            raise Unfit("UNKNOWN_MOTION", "motion", text)

    def _opinion(self, cells: Mapping[str, str]) -> str | dict[str, int]:
        split = {
            opinion: votes
            for name, opinion in SPLIT.items()
            if (votes := self._number(cells, name)) is not None
        }
        opinion = cells.get("opinion", "")
        if bool(opinion) == bool(split) or cells.get("votes"):
            raise Unfit("OPINION", "opinion", opinion)
        if split:
            return split
        if opinion not in OPINIONS:
            raise Unfit("OPINION", "opinion", opinion)
        return OPINIONS[opinion]

    def _class(self, text: str) -> int:
        if not text and len(self.agenda.share_classes) == 1:
            return 0
        if text not in self._classes:
            raise Unfit("UNKNOWN_CLASS", "share_class", text)
        return self._classes[text]

    def _time(self, text: str) -> datetime:
        day = self.agenda.meeting_date
        if not text and self.channel == Channel.ONSITE:
            return self._untimed()
        date_text, _blank, hour = text.replace("T", " ").rpartition(" ")
        if not HOUR.fullmatch(hour):
            raise Unfit("TIME", "at", text)
        try:
            day = date.fromisoformat(date_text) if date_text else day
            at = time.fromisoformat(f"0{hour}" if hour[1] == ":" else hour)
        except ValueError:
            raise Unfit("TIME", "at", text) from None
        return datetime.combine(day, at, BEIJING)

    def _untimed(self) -> datetime:
        """When an on-site vote without a time was cast, by the meeting's policy (D5)."""
        agenda = self.agenda
        times = {
            "ONSITE_VOTE_START": datetime.combine(
                agenda.meeting_date, agenda.onsite_vote_start, BEIJING
            ),
            "POLLS_OPEN": agenda.polls_open_at,
            "POLLS_CLOSE": agenda.polls_close_at,
        }
        return times[agenda.policies["onsite_time_default"]]

    def _number(self, cells: Mapping[str, str], name: str) -> int | None:
        text = cells.get(name, "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > MOST_DIGITS:
            raise Unfit("NOT_A_NUMBER", name, text)
        return int(text)

    def _finished(self, vote: FileVote) -> FileVote:
        vote.choices = normal_choices(vote.choices)
        return vote

    def _fault(self, unfit: Unfit, row: int, line: int | None) -> None:
        header = HEADERS[unfit.column][0]
        value = mask_value(unfit.column, unfit.value)
        self.faults.rows.add(row)
        self.faults.add(Fault.of(unfit.kind, row=row, line=line, column=header, value=value))

    def _finding(self, finding: Finding) -> None:
        if finding.row is not None:
            self.faults.rows.add(finding.row)
        self.faults.add(
            Fault(
                kind=finding.kind,
                row=finding.row,
                line=finding.line,
                column=finding.column or "",
                value=finding.value,
                reason=f"{finding.reason}{finding.remedy}",
            )
        )

    def _unreadable(self, refusal: Unreadable) -> None:
        for finding in refusal.findings:
            self._finding(finding)


def _open(file: IO[bytes], file_name: str) -> Reader:
    whole = WholeFile(file, file.seek(0, 2))
    suffix = PurePath(file_name).suffix.lower()
    if suffix == ".xlsx":
        return XlsxReader(whole)
    if suffix not in (".csv", ".txt"):
        raise Unfit("SUFFIX", suffix)
    return TextReader(whole, separator="," if suffix == ".csv" else "\t")
