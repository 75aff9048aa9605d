"""Loading a register (载入名册): one person loads a version, another approves it (双人复核).

`load_register` fills detached tables that nobody sees; `approve_register` puts them in the place of
the version before. A register that is refused leaves its list of faults and nothing else.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import IO

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal, lifecycle
from meetings.lifecycle import SamePerson
from meetings.models import Meeting, Register
from meetings.preparing import find_listed_holders
from meetings.register import filling, reading
from meetings.register.contacts import Contacts
from meetings.register.filling import AlreadyInvited, CannotLoad
from meetings.register.intake import Progress
from meetings.register.staging import HOLDERS, HOLDINGS
from voting_portal.common import partitions

__all__ = ["AlreadyInvited", "CannotLoad", "approve_register", "discard_register", "load_register"]


class FileChanged(CannotLoad):
    message = _("文件在载入期间被改动，请重新上传。")


class NotChecked(CannotLoad):
    message = _("只有检查通过、待复核的名册可以执行这一步。")


class Outdated(CannotLoad):
    message = _("已有更新的名册生效，这一版只能弃用。")


@transaction.atomic
def load_register(
    meeting_id: int,
    file: IO[bytes],
    *,
    file_name: str,
    stated_holders: int | None = None,
    stated_shares: int | None = None,
    stated_record_date: date | None = None,
    expected_sha256: str | None = None,
    by: str,
    now: datetime,
    progress: Progress | None = None,
) -> Register:
    """Check a file and load it into tables that wait for approval.

    `stated_holders` is the number of accounts (户数) and `stated_shares` the sum of shares that the
    side form gives. The register comes back CHECKED, or REFUSED with its errors. AlreadyInvited
    when the meeting's register can no longer change, FileChanged when the file is not the one that
    was expected.
    """
    filling.hold_loading(meeting_id)
    sha256, size = reading.fingerprint(file)
    if expected_sha256 not in (None, sha256):
        raise FileChanged
    register = Register(
        pk=filling.reserve_id(),
        meeting=filling.changeable_meeting(meeting_id),
        file_name=file_name[-255:],
        file_size=size,
        sha256=sha256,
        stated_accounts=stated_holders,
        stated_shares=stated_shares,
        stated_record_date=stated_record_date,
        uploaded_by=by,
        uploaded_at=now,
    )
    report = filling.fill_tables(register, file, progress=progress)
    filling.note_report(register, report)
    register.version = filling.next_version(meeting_id)
    register.save(force_insert=True)
    filling.journal_report(register, report, now=now)
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
    holders, holdings = (f"{t}_{filling.suffix_of(register)}" for t in (HOLDERS, HOLDINGS))
    # Before the tables take their place: that locks out whoever reads registers.
    phones = Contacts(meeting.pk, holders=holders, holdings=holdings).fill_in()
    partitions.attach(HOLDERS, holders, meeting.pk)
    partitions.attach(HOLDINGS, holdings, meeting.pk)
    find_listed_holders(meeting.pk)
    facts = filling.facts_of(register)
    journal.record(meeting, "register.approved", by=by, at=now, **facts, phones_filled_in=phones)
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
        partitions.drop(f"{table}_{filling.suffix_of(register)}")
    register.state = Register.State.REFUSED
    register.rows_loaded, register.rows_refused = 0, register.rows_read
    register.save(update_fields=["state", "rows_loaded", "rows_refused"])
    journal.record(
        register.meeting_id, "register.discarded", by=by, at=now, **filling.facts_of(register)
    )
    return register


def _checked_register(register_id: int) -> Register:
    """A register that waits for approval, its meeting's row locked against other steps."""
    register = Register.objects.get(pk=register_id)
    meeting = Meeting.objects.select_for_update().get(pk=register.meeting_id)
    register = Register.objects.select_related("meeting").get(pk=register_id)
    if meeting.state not in lifecycle.BEFORE_INVITATION:
        raise AlreadyInvited
    if register.state != Register.State.CHECKED:
        raise NotChecked
    return register
