"""Loading a register (载入名册): one person loads a version, another approves it (双人复核).

`load_register` fills detached tables that nobody sees; `approve_register` puts them in the place of
the version before. A register that is refused leaves its list of faults and nothing else.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import IO

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from meetings import journal, lifecycle
from meetings.lifecycle import CannotAdvance, SamePerson
from meetings.models import Meeting, Register
from meetings.preparing import find_listed_holders
from meetings.register import reading
from meetings.register.checks import Expectation, ExpectedClass, Stated
from meetings.register.findings import Finding
from meetings.register.intake import Progress, Report, take_in
from meetings.register.records import Keys
from meetings.register.staging import HOLDERS, HOLDINGS, Staging
from voting_portal.common import locks, partitions


class CannotLoad(CannotAdvance):
    """The registers stay as they are; `message` says why."""

    message = _("名册未载入。")


class AlreadyInvited(CannotLoad):
    """A new version replaces the old until the first notice is out, never after."""

    message = _("会议通知已发出,名册不能再更换。")


class NotChecked(CannotLoad):
    message = _("只有检查通过、待复核的名册可以执行这一步。")


class Outdated(CannotLoad):
    message = _("已有更新的名册生效,这一版只能弃用。")


@transaction.atomic
def load_register(
    meeting_id: int,
    file: IO[bytes],
    *,
    file_name: str,
    stated_holders: int | None = None,
    stated_shares: int | None = None,
    stated_record_date: date | None = None,
    by: str,
    now: datetime,
    progress: Progress | None = None,
) -> Register:
    """Check a file and load it into tables that wait for approval.

    `stated_holders` is the number of accounts (户数) and `stated_shares` the sum of shares that the
    side form gives. The register comes back CHECKED, or REFUSED with its errors. AlreadyInvited
    when the meeting's register can no longer change.
    """
    meeting = _changeable_meeting(meeting_id)
    expected = expectation_of(meeting)
    stated = Stated(stated_holders, stated_shares, record_date=stated_record_date)
    last = meeting.registers.aggregate(last=Max("version"))["last"] or 0
    version = last + 1
    sha256, size = reading.fingerprint(file)
    with (
        transaction.atomic(),
        Staging(
            meeting_id=meeting_id,
            suffix=_suffix(meeting_id, version),
            keys=Keys.of_meeting(meeting_id),
            classes=expected.width,
        ) as staging,
    ):
        report = take_in(
            file,
            file_name=file_name,
            expected=expected,
            stated=stated,
            staging=staging,
            progress=progress,
        )
        if report.is_refused:
            transaction.set_rollback(True)
        else:
            staging.build_indexes()
            staging.drop_working_tables()
    register = Register.objects.create(
        meeting=meeting,
        version=version,
        file_name=file_name[-255:],
        file_size=size,
        sha256=sha256,
        uploaded_by=by,
        uploaded_at=now,
        **_fields_of(report),
    )
    journal.record(
        meeting,
        f"register.{register.state.lower()}",
        by=by,
        at=now,
        **_facts(register),
        faults=dict(report.findings.counts),
    )
    return register


@transaction.atomic
def approve_register(register_id: int, *, by: str, now: datetime) -> Register:
    """Put a checked version in force, in the place of the one before.

    SamePerson, NotChecked, Outdated or AlreadyInvited when that may not be.
    """
    register = _checked_register(register_id)
    meeting = register.meeting
    if meeting.registers.filter(state=Register.State.LOADED, version__gt=register.version).exists():
        raise Outdated
    meeting.registers.filter(state=Register.State.LOADED).update(state=Register.State.REPLACED)
    register.state = Register.State.LOADED
    register.approved_by, register.approved_at = by, now
    try:
        with transaction.atomic():
            register.save(update_fields=["state", "approved_by", "approved_at"])
    except IntegrityError as error:
        if "register_second_person" not in str(error):
            raise
        raise SamePerson from None
    for table in (HOLDERS, HOLDINGS):
        partitions.attach(table, _table(table, register), meeting.pk)
    find_listed_holders(meeting.pk)
    journal.record(meeting, "register.approved", by=by, at=now, **_facts(register))
    if meeting.state == Meeting.State.DRAFT:
        lifecycle.advance(
            meeting.pk,
            Meeting.State.REGISTER_LOADED,
            since=[Meeting.State.DRAFT],
            by=by,
            now=now,
        )
    return register


@transaction.atomic
def discard_register(register_id: int, *, by: str, now: datetime) -> Register:
    """Refuse a checked version that nobody wants; its tables go at once."""
    register = _checked_register(register_id)
    for table in (HOLDERS, HOLDINGS):
        partitions.drop(_table(table, register))
    register.state = Register.State.REFUSED
    register.rows_loaded, register.rows_refused = 0, register.rows_read
    register.save(update_fields=["state", "rows_loaded", "rows_refused"])
    journal.record(register.meeting_id, "register.discarded", by=by, at=now, **_facts(register))
    return register


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


def _changeable_meeting(meeting_id: int) -> Meeting:
    """The meeting, under the lock that lets one change of its register through at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10min'")  # a load before may take its time
    locks.hold(locks.REGISTER, meeting_id)
    meeting = Meeting.objects.select_related("issuer").get(pk=meeting_id)
    if meeting.state not in lifecycle.BEFORE_INVITATION:
        raise AlreadyInvited
    return meeting


def _checked_register(register_id: int) -> Register:
    """A register that waits for approval, and its meeting's row locked against an invitation."""
    register = Register.objects.get(pk=register_id)
    _changeable_meeting(register.meeting_id)
    meeting = Meeting.objects.select_for_update().get(pk=register.meeting_id)
    register = Register.objects.select_related("meeting").get(pk=register_id)
    if meeting.state not in lifecycle.BEFORE_INVITATION:
        raise AlreadyInvited
    if register.state != Register.State.CHECKED:
        raise NotChecked
    return register


def _fields_of(report: Report) -> dict[str, object]:
    """A report as columns of Register: whole or not at all, so one bad row refuses every row."""
    findings = report.findings
    findings.add(Finding("UNKNOWN_COLUMN", column=header) for header in report.unknown_columns)
    refused = report.rows if report.is_refused else 0
    return {
        "state": Register.State.REFUSED if report.is_refused else Register.State.CHECKED,
        "rows_read": report.rows,
        "rows_loaded": report.rows - refused,
        "rows_refused": refused,
        "accounts": report.accounts,
        "holders": report.holders,
        "shares": dict(report.shares),
        "errors": [finding.as_json() for finding in findings.errors],
        "warnings": [finding.as_json() for finding in findings.warnings],
    }


def _facts(register: Register) -> dict[str, object]:
    """What the journal keeps of a register."""
    return {
        "version": register.version,
        "sha256": register.sha256,
        "rows": register.rows_read,
        "accounts": register.accounts,
        "holders": register.holders,
        "shares": register.shares,
    }


def _suffix(meeting_id: int, version: int) -> str:
    return f"m{meeting_id}_v{version}"


def _table(table: str, register: Register) -> str:
    return f"{table}_{_suffix(register.meeting_id, register.version)}"
