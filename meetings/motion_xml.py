"""Motions in the exchanges' interchange XML (`evoteparams_yyyymmdd.xml`), trusted in nothing.

The elements are named as the Shenzhen exchange's interface names them; the order of a meeting's own
elements does not matter as long as its UnderlyingSecurityID comes before its votes. A file may hold
many companies: only those of the meeting's code are looked at. The control file beside it
(`...Vd.xml`) says size, MD5 and counts, and is compared when it is given.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, field
from typing import IO

from django.utils.translation import gettext as _

from meetings.drafting import MotionDraft
from meetings.models import Motion
from meetings.motion_files import MOST_MOTIONS, NUMBER, MotionFile, judge_tree
from meetings.register.chunks import LONGEST_FIELD
from meetings.register.findings import Unreadable
from meetings.register.spreadsheet import Parser, parse

LARGEST = 20 << 20  # bytes: all meetings of a day
DEEPEST = 12
EVERYTHING = "100"  # 总议案, which Shanghai's agendas do not have
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*encoding=[\"']([A-Za-z0-9_-]{1,20})[\"'][^>]*\?>")
_GB = {"gb2312", "gbk", "gb18030"}
_IGNORED = ("ProposalRelation", "ShareHolderRole")


@dataclass
class _Meeting:
    code: str
    facts: dict[str, str] = field(default_factory=dict)
    votes: list[dict[str, str]] = field(default_factory=list)


class _Votes(Parser):
    """Leaf elements, gathered by the company and the vote that they stand in."""

    def __init__(self) -> None:
        self.meetings: list[_Meeting] = []
        self.votes = 0
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self._vote: dict[str, str] | None = None

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > DEEPEST:
            raise TooDeep
        self._text, self._length = [], 0
        if name == "vote":
            self._vote = {}
            self.votes += 1

    def text(self, data: str) -> None:
        if self._length <= LONGEST_FIELD:
            self._text.append(data)
            self._length += len(data)

    def end(self, name: str) -> None:
        self._path.pop()
        value = "".join(self._text).strip()
        self._text, self._length = [], 0
        if name == "vote":
            if self.meetings and self._vote is not None:
                self.meetings[-1].votes.append(self._vote)
            self._vote = None
        elif self._vote is not None:
            self._vote[name] = self._vote.get(name) or value
        elif name == "UnderlyingSecurityID":
            self.meetings.append(_Meeting(value))
        elif self.meetings and value:
            self.meetings[-1].facts.setdefault(name, value)


class _Facts(Parser):
    """The leaf elements of a control file, by name in small letters."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self._text: list[str] = []

    def start(self, _name: str, attributes: dict[str, str]) -> None:
        self._text = []
        self.facts |= {key.lower(): value for key, value in attributes.items()}

    def text(self, data: str) -> None:
        if len(self._text) < 10:
            self._text.append(data[:LONGEST_FIELD])

    def end(self, name: str) -> None:
        if value := "".join(self._text).strip():
            self.facts[name.lower()] = value
        self._text = []


class TooDeep(Exception):
    """Elements within elements, deeper than any honest file has them."""


def read_xml(
    file: IO[bytes], *, security_code: str, control: IO[bytes] | None = None
) -> MotionFile:
    """The motions of the company with this code; a control file must agree with the file."""
    found = MotionFile()
    content = _content(file, found)
    votes = _Votes()
    if not found.faults and _parse(content, votes, found):
        if control is not None:
            _compare(content, votes, control, found)
        meetings = [m for m in votes.meetings if m.code == security_code]
        if not meetings:
            codes = "、".join(sorted({m.code for m in votes.meetings})[:5])
            found.fault(0, "UnderlyingSecurityID", _("文件中没有本公司的议案。"), codes)
        elif len(meetings) > 1:
            found.fault(0, "MeetingSeq", _("文件中本公司有不止一次会议：请只保留一次。"))
        else:
            _read(meetings[0], found)
    return found.finished()


def _content(file: IO[bytes], found: MotionFile) -> bytes:
    """The file's bytes, within bounds."""
    file.seek(0)
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        found.fault(0, "", _("文件超过20MB。"))
    return content


def _parse(content: bytes, parser: Parser, found: MotionFile) -> bool:
    try:
        parse(io.BytesIO(_as_utf8(content)), parser)
    except Unreadable as refusal:
        is_entity = any(finding.kind == "XML_ENTITY" for finding in refusal.findings)
        reason = (
            _("XML中含有DOCTYPE或实体，不予读取。")
            if is_entity
            else _("XML不完整或格式有误：请重新下载。")
        )
        found.fault(0, "", reason)
        return False
    except TooDeep:
        found.fault(0, "", _("XML嵌套过深，不予读取。"))
        return False
    except UnicodeDecodeError:
        found.fault(0, "", _("文字编码与XML声明的不符。"))
        return False
    return True


def _as_utf8(content: bytes) -> bytes:
    """Chinese encodings, which the parser does not know, are turned into UTF-8."""
    declared = _DECLARATION.match(content[:200])
    if declared is None or declared[1].decode().lower() not in _GB:
        return content
    return content[declared.end() :].decode("gb18030").encode()


def _compare(content: bytes, votes: _Votes, control: IO[bytes], found: MotionFile) -> None:
    facts = _Facts()
    if not _parse(_content(control, found), facts, found):
        return
    computed = {
        "size": str(len(content)),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "companycount": str(len(votes.meetings)),
        "votecount": str(votes.votes),
    }
    for name, value in computed.items():
        said = facts.facts.get(name)
        if said is not None and said.lower() != value:
            reason = _("校验文件写的是%(said)s，实际是%(value)s：请重新下载。")
            found.fault(0, name, reason % {"said": said[:40], "value": value})
    if not computed.keys() & facts.facts.keys():
        found.fault(0, "", _("校验文件中没有大小、MD5或数目。"))


def _read(meeting: _Meeting, found: MotionFile) -> None:
    if len(meeting.votes) > MOST_MOTIONS:
        found.fault(0, "", _("议案超过500项。"))
        return
    rows: dict[tuple[int, int], tuple[int, dict[str, str]]] = {}
    for row, vote in enumerate(meeting.votes, start=1):
        number = vote.get("ProposalID", "")
        if number.partition(".")[0] == EVERYTHING:
            found.remarks.append(_("总议案（100）没有导入：逐项表决，不设总议案。"))
            continue
        match = NUMBER.fullmatch(number)
        if match is None:
            found.fault(row, "ProposalID", _("序号写作1、1.00或2.01。"), number)
        elif (place := (int(match[1]), int(match[2] or 0))) in rows:
            found.fault(row, "ProposalID", _("序号重复。"), number)
        else:
            rows[place] = row, vote
        for name in _IGNORED:
            if vote.get(name):
                words = {"number": number, "name": name, "value": vote[name][:30]}
                remark = _("%(number)s的%(name)s（%(value)s）没有导入，请核对。")
                found.remarks.append(remark % words)
    seen: dict[tuple[int, int], MotionDraft] = {}
    for place, (row, vote) in rows.items():
        draft = _draft(place, row, vote, rows, found)
        if draft is not None:
            seen[place] = draft
    judge_tree(seen, found)
    found.drafts = list(seen.values())
    if found.drafts:
        found.remarks.append(_("XML中没有提案人：全部按董事会提案导入，股东提案请改正。"))
    if meeting.facts.get("MeetingDesc"):
        words = {"title": meeting.facts["MeetingDesc"][:60]}
        found.remarks.insert(0, _("文件中的会议：%(title)s") % words)


def _draft(
    place: tuple[int, int],
    row: int,
    vote: dict[str, str],
    rows: dict[tuple[int, int], tuple[int, dict[str, str]]],
    found: MotionFile,
) -> MotionDraft | None:
    """A vote as a motion; None for a candidate, who goes to the motion above, or a fault."""
    group, item = place
    kind, title = vote.get("ProposalType", ""), vote.get("ProposalName", "")
    below = sorted(other for other in rows if other[0] == group and other[1])
    before = len(found.faults)
    if kind not in ("P", "L"):
        found.fault(row, "ProposalType", _("只能是P（非累积投票）或L（累积投票）。"), kind)
    if not 0 < len(title) <= (60 if kind == "L" and item else 300):
        found.fault(row, "ProposalName", _("须有名称，议案最多300个字，候选人最多60个字。"), title)
    if kind == "L" and item:
        if (group, 0) not in rows:
            found.fault(row, "ProposalID", _("候选人之上没有累积投票议案。"), title)
        return None
    seats = vote.get("ElectionNum", "")
    if kind == "L" and not (seats.isascii() and seats.isdigit() and 0 < int(seats) <= 99):
        found.fault(row, "ElectionNum", _("累积投票议案须填写应选人数。"), seats)
    if kind == "L" and not below:
        found.fault(row, "ProposalID", _("累积投票议案没有候选人。"), title)
    if len(found.faults) > before:
        return None
    if kind == "L":
        names = tuple(rows[candidate][1].get("ProposalName", "") for candidate in below)
        return MotionDraft(
            group, 0, title, Motion.Kind.CUMULATIVE, seats=int(seats), candidates=names
        )
    is_heading = not item and bool(below)
    return MotionDraft(group, item, title, Motion.Kind.HEADING if is_heading else Motion.Kind.PLAIN)
