"""Side lists of a meeting (名单): who is recused and the like, as a file with a report of its own.

Read by the register's readers and judged row by row like it: taken in whole or not at all. A list
adds to what is there; whoever stands on it already is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import polars as pl
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.keys import meeting_key
from meetings.models import (
    ConcertParty,
    Holding,
    ImportHeader,
    Insider,
    ListImport,
    Meeting,
    MeetingKey,
    Motion,
    Recusal,
    Register,
)
from meetings.preparing import COUNTED, ListClosed, find_listed_holders
from meetings.register import profiles, reading, records
from meetings.register.checks import ACCOUNT, PHONE, YMT
from meetings.register.chunks import findings_where
from meetings.register.contacts import Contacts
from meetings.register.fault_list import Findings
from meetings.register.findings import Finding, Unreadable
from voting_portal.common import masking

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Two decimals or none: a spreadsheet's 2.1 may have been 2.10 as well as 2.01.
_MOTION = re.compile(r"([0-9]{1,3})(?:\.([0-9]{2}))?")


@dataclass(frozen=True)
class SideList:
    """A kind of list: its name, the columns it must have, and the rows that it becomes.

    `model` has name, account_index and account_masked, and a motion or a meeting (and group). A
    list without a model gives the holders of the register their phones.
    """

    label: StrOrPromise
    columns: tuple[str, ...]
    model: type[models.Model] | None = None

    @property
    def headings(self) -> list[StrOrPromise]:
        """What the columns are called; a holder may be told by account or, for phones, 一码通."""
        fields = ImportHeader.Field
        by_ymt = [] if "account_no" in self.columns else [fields.ACCOUNT_NO.label]
        return [*by_ymt, *(fields(column).label for column in self.columns)]


LISTS = {
    "recusals": SideList(_("回避表决名单"), ("motion", "account_no", "holder_name"), Recusal),
    "insiders": SideList(_("董监高名单"), ("account_no", "holder_name"), Insider),
    "concert": SideList(_("一致行动人名单"), ("group", "account_no", "holder_name"), ConcertParty),
    "contacts": SideList(_("联系方式（补充手机号码）"), ("phone",)),
}


def import_list(
    meeting_id: int, kind: str, file: IO[bytes], *, file_name: str, by: str, now: datetime
) -> ListImport:
    """Check a list and take it in; it comes back with its report, `rows_refused` 0 if it was good.

    ListClosed once the votes are counted; contacts.CannotFill where phones can no longer be filled
    in.
    """
    with transaction.atomic():
        meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
        if meeting.state in COUNTED:
            raise ListClosed
        sha256, size = reading.fingerprint(file)
        findings = Findings()
        with transaction.atomic():
            rows = _Rows(meeting, LISTS[kind], findings)
            take: Callable[[Iterator[pl.DataFrame]], Iterator[Finding]]
            is_list = LISTS[kind].model is not None
            take = rows.enlist if is_list else Contacts.of_register_in_force(meeting).keep
            try:
                findings.add(take(rows.read(file, file_name)))
            except Unreadable as refusal:
                findings.add(refusal.findings)
            if not rows.read_so_far and not findings.has_errors:
                findings.add([Finding("NO_ROWS")])
            if findings.has_errors:
                transaction.set_rollback(True)
        refused = rows.read_so_far if findings.has_errors else 0
        received = ListImport.objects.create(
            meeting=meeting,
            kind=kind,
            file_name=file_name[-255:],
            file_size=size,
            sha256=sha256,
            rows_read=rows.read_so_far,
            rows_loaded=rows.read_so_far - refused,
            rows_refused=refused,
            errors=[finding.as_json() for finding in findings.errors],
            warnings=[finding.as_json() for finding in findings.warnings],
            fault_list=findings.fault_list.packed(),
            uploaded_by=by,
            uploaded_at=now,
        )
        journal.record(
            meeting,
            "list.refused" if findings.has_errors else "list.taken",
            by=by,
            at=now,
            list=kind,
            sha256=sha256,
            rows=received.rows_read,
            faults=dict(findings.counts),
        )
    return received


class _Rows:
    """The rows of a list on their way from the file to the tables."""

    def __init__(self, meeting: Meeting, side_list: SideList, findings: Findings) -> None:
        self.read_so_far = 0
        self._meeting = meeting
        self._list = side_list
        self._findings = findings
        self._index_key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)

    def read(self, file: IO[bytes], file_name: str) -> Iterator[pl.DataFrame]:
        """The good rows, chunk by chunk: row, line and the list's columns, account_no always."""
        reader = reading.open_register(file, file_name=file_name)
        wanted = (*self._list.columns, "account_no", "ymt_no")
        mandatory = self._list.columns
        layout = profiles.recognise(
            reader.headers, line=reader.header_line, wanted=wanted, mandatory=mandatory
        )
        if "account_no" not in layout.columns and "ymt_no" not in layout.columns:
            raise Unreadable(
                Finding("MISSING_COLUMN", line=reader.header_line, column="account_no")
            )
        self._findings.add(Finding("UNKNOWN_COLUMN", column=header) for header in layout.unknown)
        for chunk in reader.chunks(layout):
            self.read_so_far += chunk.rows_read
            self._findings.add(chunk.findings)
            frame = chunk.frame.with_columns(
                pl.lit("").alias(name) for name in wanted if name not in chunk.frame.columns
            )
            if "phone" in self._list.columns:
                plain = pl.col("phone").str.normalize("NFKC")
                frame = frame.with_columns(phone=plain.str.replace_all(r"[\s()\[\]{}-]", ""))
            rules = list(_rules(self._list.columns))
            for name, condition, fault in rules:
                self._findings.add(findings_where(frame, condition, fault, name, name))
            yield frame.filter(~pl.any_horizontal(condition for _n, condition, _f in rules))

    def enlist(self, chunks: Iterator[pl.DataFrame]) -> Iterator[Finding]:
        """Put the holders of the rows on the list; yields what is wrong or odd."""
        model = self._list.model
        assert model is not None
        rows = [row for chunk in chunks for row in chunk.iter_rows(named=True)]
        motions = {(m.group, m.item): m for m in self._meeting.motions.all()}
        made: dict[tuple[Any, bytes], models.Model] = {}
        known = {self._key_of(old) for old in self._standing(model)}
        on_register = self._on_register({self._index_of(row) for row in rows})
        for row in rows:
            owner = self._owner_of(row, motions)
            if owner is None:
                place = row["row"], row["line"]
                yield Finding("NO_SUCH_MOTION", *place, "motion", row["motion"][:10])
                continue
            entry = model(
                **owner,
                name=row["holder_name"][:100],
                account_index=self._index_of(row),
                account_masked=masking.mask_account(row["account_no"]),
            )
            key = self._key_of(entry)
            if key in made:
                yield _of_account("DUPLICATE_ROW", row)
            elif key in known:
                yield _of_account("ALREADY_LISTED", row)
            else:
                made[key] = entry
            if on_register is not None and self._index_of(row) not in on_register:
                yield _of_account("NOT_ON_REGISTER", row)
        model._default_manager.bulk_create(made.values())  # noqa: SLF001 - any model of LISTS
        find_listed_holders(self._meeting.pk)
        if "motion" not in self._list.columns:
            # Who is a minority holder follows from it: somebody must confirm anew that it is whole.
            Meeting.objects.filter(pk=self._meeting.pk).update(insiders_confirmed_by="")

    def _owner_of(
        self, row: dict[str, Any], motions: dict[tuple[int, int], Motion]
    ) -> dict[str, Any] | None:
        """The fields that say whose list the entry is on; None when there is no such motion."""
        columns = self._list.columns
        if "motion" in columns:
            motion = motions.get(_number(row["motion"]))
            is_votable = motion is not None and motion.kind != Motion.Kind.HEADING
            return {"motion": motion} if is_votable else None
        group = {"group": int(row["group"])} if "group" in columns else {}
        return {"meeting": self._meeting, **group}

    def _standing(self, model: type[models.Model]) -> models.QuerySet[models.Model]:
        where = "motion__meeting" if "motion" in self._list.columns else "meeting"
        return model._default_manager.filter(**{where: self._meeting})  # noqa: SLF001 - as above

    def _key_of(self, entry: Any) -> tuple[Any, bytes]:
        """By what an entry stands on the list once."""
        names = ("motion_id", "group")
        owner = tuple(getattr(entry, name) for name in names if hasattr(entry, name))
        return owner, bytes(entry.account_index)

    def _index_of(self, row: dict[str, Any]) -> bytes:
        return records.account_index(self._index_key, row["account_no"])

    def _on_register(self, accounts: set[bytes]) -> set[bytes] | None:
        """Which accounts the register in force has; None when there is none yet."""
        if not self._meeting.registers.filter(state=Register.State.LOADED).exists():
            return None
        found = Holding.objects.of_meeting(self._meeting.pk).filter(account_index__in=accounts)
        return {bytes(index) for index in found.values_list("account_index", flat=True)}


def _of_account(kind: str, row: dict[str, Any]) -> Finding:
    value = masking.mask_account(row["account_no"])
    return Finding(kind, row["row"], row["line"], "account_no", value)


def _rules(columns: tuple[str, ...]) -> Iterator[tuple[str, pl.Expr, str]]:
    """Column, condition and kind of everything for which a row is refused."""
    account, ymt = pl.col("account_no"), pl.col("ymt_no")
    if "account_no" in columns:
        yield "account_no", account == "", "BLANK_VALUE"
    else:
        yield "account_no", (account == "") & (ymt == ""), "BLANK_VALUE"
    yield "account_no", (account != "") & ~account.str.contains(ACCOUNT), "ACCOUNT_FORMAT"
    yield "ymt_no", (ymt != "") & ~ymt.str.contains(YMT), "ACCOUNT_FORMAT"
    if "holder_name" in columns:
        yield "holder_name", pl.col("holder_name") == "", "BLANK_VALUE"
    if "phone" in columns:
        yield "phone", pl.col("phone") == "", "BLANK_VALUE"
        is_phone = pl.col("phone").str.contains(PHONE)
        yield "phone", (pl.col("phone") != "") & ~is_phone, "PHONE_FORMAT"
    if "group" in columns:
        yield "group", ~pl.col("group").str.contains("^[1-9][0-9]{0,2}$"), "GROUP_FORMAT"


def _number(text: str) -> tuple[int, int]:
    """`2`, `2.00` and `2.01` as group and item; (0, 0), which no motion is, for anything else."""
    if found := _MOTION.fullmatch(text):
        return int(found[1]), int(found[2] or 0)
    return 0, 0
