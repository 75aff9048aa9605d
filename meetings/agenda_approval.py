"""The secretary's word that the agenda is what the company gave notice of (议程校对).

An approval is an entry of the journal with the fingerprint of the agenda that was read, so a later
change of the agenda voids it by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.agenda import Agenda, read_agenda
from meetings.calendar import Calendar, UnknownYear, read_calendar
from meetings.dates import agenda_due_at
from meetings.lifecycle import BEFORE_INVITATION, CannotAdvance
from meetings.models import JournalEntry, Meeting

APPROVED = "agenda.approved"
APPROVABLE = (*BEFORE_INVITATION, Meeting.State.INVITED)


class AgendaChanged(CannotAdvance):
    message = _("议程刚才有改动，请重新核对后再确认。")


class TooLate(CannotAdvance):
    message = _("投票已经开始或会议已经取消，议程不再确认。")


@dataclass(frozen=True)
class Approval:
    """What is known of an agenda's approval; `at` and `by` are of the last one, void or not.

    Without the meeting's year in the trading calendar nobody knows when it is due: `due_at` is
    None, and nothing is late.
    """

    due_at: datetime | None
    at: datetime | None = None
    by: str = ""
    is_void: bool = False  # the agenda was changed afterwards

    @property
    def holds(self) -> bool:
        return self.at is not None and not self.is_void

    @property
    def is_late(self) -> bool:
        return self.at is not None and self.due_at is not None and self.at > self.due_at

    def is_overdue(self, *, at: datetime) -> bool:
        return not self.holds and self.due_at is not None and at > self.due_at


def approval_of(agenda: Agenda, *, calendar: Calendar) -> Approval:
    """Whether this agenda was approved as it stands now, and by when it is to be; one query."""
    due = _due_at(agenda, calendar)
    entry = (
        JournalEntry.objects.filter(meeting_id=agenda.meeting_id, verb=APPROVED)
        .order_by("-id")
        .first()
    )
    if entry is None:
        return Approval(due)
    is_void = entry.details["agenda"] != agenda.fingerprint.hex()
    return Approval(due, entry.at, entry.actor, is_void)


@transaction.atomic
def approve_agenda(meeting_id: int, *, fingerprint: str, by: str, now: datetime) -> Approval:
    """Approve the agenda whose fingerprint (hexadecimal) the reader was shown.

    AgendaChanged when it is another by now, TooLate when the polls have opened or the meeting is
    off. Approving twice changes nothing.
    """
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    if meeting.state not in APPROVABLE or now >= meeting.polls_open_at:
        raise TooLate
    agenda = read_agenda(meeting_id)
    if agenda.fingerprint.hex() != fingerprint:
        raise AgendaChanged
    calendar = read_calendar()
    approval = approval_of(agenda, calendar=calendar)
    if approval.holds:
        return approval
    journal.record(meeting, APPROVED, by=by, at=now, agenda=fingerprint)
    return approval_of(agenda, calendar=calendar)


def _due_at(agenda: Agenda, calendar: Calendar) -> datetime | None:
    try:
        return agenda_due_at(agenda.meeting_date, agenda.policies["prevote"], calendar)
    except UnknownYear:
        return None
