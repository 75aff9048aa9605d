"""The secretary approves the agenda as it stands; a change of it voids the approval."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from meetings.agenda import read_agenda
from meetings.agenda_approval import AgendaChanged, TooLate, approval_of, approve_agenda, due_at
from meetings.lifecycle import BEIJING
from meetings.models import JournalEntry, Meeting
from tests.factories import make_meeting

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    now = timezone.now()
    return make_meeting(
        state="REGISTER_LOADED",
        polls_open_at=now + timedelta(days=3),
        polls_close_at=now + timedelta(days=4),
        meeting_date=timezone.localdate(now) + timedelta(days=3),
    )


def approve(meeting, *, fingerprint="", now=None):
    shown = fingerprint or read_agenda(meeting.pk).fingerprint.hex()
    return approve_agenda(
        meeting.pk, fingerprint=shown, by="secretary:7", now=now or timezone.now()
    )


def entries():
    return list(JournalEntry.objects.filter(verb="agenda.approved"))


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2026, 6, 26), datetime(2026, 6, 25, 16, tzinfo=BEIJING)),
        (date(2026, 6, 29), datetime(2026, 6, 26, 16, tzinfo=BEIJING)),  # a Monday
    ],
)
def test_it_is_due_at_four_on_the_last_weekday_before(day, due):
    assert due_at(day) == due


def test_an_approval_says_who_and_when_and_holds(meeting):
    before = approval_of(read_agenda(meeting.pk))

    approval = approve(meeting)
    again = approve(meeting)

    assert not before.holds
    assert approval.holds
    assert approval.by == "secretary:7"
    assert again == approval
    assert len(entries()) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.motions.filter(group=1).update(title="关于别的事项的议案"),
        lambda m: m.motions.get(group=3).candidates.filter(item=1).update(name="丁"),
        lambda m: Meeting.objects.filter(pk=m.pk).update(title="2026年年度股东会"),
    ],
)
def test_a_change_of_the_agenda_voids_it(meeting, change):
    approve(meeting)

    change(meeting)

    approval = approval_of(read_agenda(meeting.pk))
    assert (approval.holds, approval.is_void) == (False, True)
    assert approve(meeting).holds


def test_what_was_not_shown_is_not_approved(meeting):
    shown = read_agenda(meeting.pk).fingerprint.hex()
    meeting.motions.filter(group=1).update(title="关于别的事项的议案")

    with pytest.raises(AgendaChanged):
        approve(meeting, fingerprint=shown)

    assert not entries()


@pytest.mark.parametrize("state", ["OPEN", "CLOSED", "CANCELLED"])
def test_after_the_polls_have_opened_it_is_too_late(meeting, state):
    Meeting.objects.filter(pk=meeting.pk).update(state=state)

    with pytest.raises(TooLate):
        approve(meeting)

    assert not entries()


def test_a_late_approval_holds_and_says_so(meeting):
    due = due_at(meeting.meeting_date)

    missing = approval_of(read_agenda(meeting.pk)).is_overdue(at=due + timedelta(minutes=1))
    approval = approve(meeting, now=due + timedelta(minutes=1))

    assert missing
    assert approval.holds
    assert approval.is_late
    assert not approval.is_overdue(at=due + timedelta(hours=1))
