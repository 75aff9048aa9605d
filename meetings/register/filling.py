"""Filling a register's tables (名册入表): what a load does with a file, wherever it comes from.

The tables are detached: nobody sees them until the register is approved (loading.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import IO

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal, lifecycle
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, Register
from meetings.register import records
from meetings.register.checks import Expectation, ExpectedClass, Stated
from meetings.register.findings import Finding
from meetings.register.intake import Progress, Report, take_in
from meetings.register.staging import Staging
from voting_portal.common import locks

# The columns that a report fills in.
REPORTED = (
    *("state", "rows_read", "rows_loaded", "rows_refused", "accounts", "holders", "shares"),
    *("errors", "warnings", "fault_list", "progress"),
)


class CannotLoad(CannotAdvance):
    """The registers stay as they are; `message` says why."""

    message = _("名册未载入。")


class AlreadyInvited(CannotLoad):
    """A new version replaces the old until the first notice is out, never after."""

    message = _("会议通知已发出，名册不能再更换。")


def fill_tables(register: Register, file: IO[bytes], *, progress: Progress | None = None) -> Report:
    """Check a register's file and fill its detached tables; refused, it leaves no table."""
    expected = expectation_of(register.meeting)
    stated = Stated(
        register.stated_accounts, register.stated_shares, record_date=register.stated_record_date
    )
    with (
        transaction.atomic(),
        Staging(
            meeting_id=register.meeting_id,
            suffix=suffix_of(register),
            keys=records.keys_of(register.meeting_id),
            classes=expected.width,
        ) as staging,
    ):
        report = take_in(
            file,
            file_name=register.file_name,
            expected=expected,
            stated=stated,
            staging=staging,
            progress=progress,
        )
        if report.is_refused:
            transaction.set_rollback(True)
        else:
            staging.build_indexes()
    return report


def note_report(register: Register, report: Report) -> None:
    """Write a report into the register: whole or not at all, one bad row refuses every row."""
    findings = report.findings
    findings.add(Finding("UNKNOWN_COLUMN", column=header) for header in report.unknown_columns)
    register.state = Register.State.REFUSED if report.is_refused else Register.State.CHECKED
    register.rows_read = report.rows
    register.rows_refused = report.rows if report.is_refused else 0
    register.rows_loaded = report.rows - register.rows_refused
    register.accounts = report.accounts
    register.holders = report.holders
    register.shares = dict(report.shares)
    register.errors = [finding.as_json() for finding in findings.errors]
    register.warnings = [finding.as_json() for finding in findings.warnings]
    register.fault_list = findings.fault_list.packed()
    register.progress = 100


def journal_report(register: Register, report: Report, *, now: datetime) -> None:
    journal.record(
        register.meeting_id,
        f"register.{register.state.lower()}",
        by=register.uploaded_by,
        at=now,
        **facts_of(register),
        faults=dict(report.findings.counts),
    )


def expectation_of(meeting: Meeting) -> Expectation:
    """What the meeting's register must agree with."""
    return Expectation(
        security_code=meeting.issuer.security_code,
        record_date=meeting.record_date,
        classes=tuple(
            ExpectedClass(share_class.number, share_class.code, share_class.capital)
            for share_class in meeting.share_classes.order_by("number")
        ),
    )


def hold_loading(meeting_id: int) -> None:
    """Wait until no other load of the meeting is under way, and keep others out."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10min'")  # a load before may take its time
    locks.hold(locks.REGISTER, meeting_id)


def changeable_meeting(meeting_id: int) -> Meeting:
    """The meeting, if its register may still change; AlreadyInvited if not."""
    meeting = Meeting.objects.select_related("issuer").get(pk=meeting_id)
    if meeting.state not in lifecycle.BEFORE_INVITATION:
        raise AlreadyInvited
    return meeting


def next_version(meeting_id: int) -> int:
    """The number of the version that is about to be written down, by one writer at a time."""
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    last = meeting.registers.order_by("-version").values_list("version", flat=True).first()
    return (last or 0) + 1


def reserve_id() -> int:
    """An id for a register before its row is written: its tables and parts are named by it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [Register._meta.db_table]
        )
        ((number,),) = cursor.fetchall()
    return int(number)


def facts_of(register: Register) -> dict[str, object]:
    """What the journal keeps of a register."""
    return {
        "version": register.version,
        "sha256": register.sha256,
        "rows": register.rows_read,
        "accounts": register.accounts,
        "holders": register.holders,
        "shares": register.shares,
    }


def suffix_of(register: Register) -> str:
    """How the register's detached tables end."""
    return f"m{register.meeting_id}_r{register.pk}"
