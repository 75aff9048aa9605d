"""The secretary approves the agenda as it stands; a change of it voids the approval."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from meetings.admin.checklist import checklist_of
from meetings.agenda import read_agenda
from meetings.agenda_approval import AgendaChanged, TooLate, approval_of, approve_agenda
from meetings.calendar import read_calendar
from meetings.dates import agenda_due_at
from meetings.lifecycle import BEIJING
from meetings.models import CalendarYear, JournalEntry, Meeting
from tests.factories import make_calendar, make_meeting

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    make_calendar()
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


def standing(meeting):
    return approval_of(read_agenda(meeting.pk), calendar=read_calendar())


def entries():
    return list(JournalEntry.objects.filter(verb="agenda.approved"))


@pytest.mark.parametrize(
    ("day", "prevote", "due"),
    [
        (date(2026, 6, 26), "OFF", datetime(2026, 6, 25, 16, tzinfo=BEIJING)),
        (date(2026, 6, 29), "OFF", datetime(2026, 6, 26, 16, tzinfo=BEIJING)),  # a Monday
        # Behind National Day, which takes Thursday and Friday and the whole week after.
        (date(2026, 10, 8), "OFF", datetime(2026, 9, 30, 16, tzinfo=BEIJING)),
        (date(2026, 6, 26), "ON", datetime(2026, 6, 24, 16, tzinfo=BEIJING)),
    ],
)
def test_it_is_due_at_four_on_the_last_trading_day_before_the_vote(day, prevote, due):
    assert agenda_due_at(day, prevote, read_calendar()) == due


def test_in_a_year_that_the_calendar_lacks_nobody_is_late(meeting):
    CalendarYear.objects.all().delete()

    approval = standing(meeting)

    assert approval.due_at is None
    assert not approval.is_overdue(at=timezone.now() + timedelta(days=9))
    assert not approve(meeting).is_late
    (line,) = (item for item in checklist_of(meeting) if "校对议程" in item.label)
    assert line.is_done


def lines_of(meeting):
    return [(item.label, item.state) for item in checklist_of(meeting) if "议程" in item.label]


def test_staff_see_by_when_the_company_answers_and_that_it_did(meeting):
    due = timezone.localtime(standing(meeting).due_at)

    before = lines_of(meeting)
    approve(meeting)
    after = lines_of(meeting)

    assert (f"公司尚未校对议程；截止{due:%Y-%m-%d %H:%M}", "optional") in before
    assert [state for label, state in after if label.startswith("公司已校对议程（")] == ["done"]


@pytest.mark.parametrize(("is_rehearsal", "state"), [(False, "missing"), (True, "optional")])
def test_an_overdue_answer_is_missing_but_at_a_rehearsal(meeting, is_rehearsal, state):
    yesterday = timezone.localdate() - timedelta(days=1)
    Meeting.objects.update(meeting_date=yesterday, is_rehearsal=is_rehearsal)
    meeting.refresh_from_db()

    (line,) = (item for item in checklist_of(meeting) if "已逾期" in item.label)

    assert line.state == state


def test_an_approval_says_who_and_when_and_holds(meeting):
    before = standing(meeting)

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
        lambda m: m.motions.filter(group=1).update(proposer="AUDITORS"),
        lambda m: m.motions.filter(group=2).update(proposer="HOLDERS", proposer_name="乙集团"),
        lambda m: m.motions.filter(group=2).update(proposer="AUDITORS", board_opinion="同意"),
        lambda m: m.motions.get(group=3).candidates.filter(item=1).update(name="丁"),
        lambda m: Meeting.objects.filter(pk=m.pk).update(title="2026年年度股东会"),
    ],
)
def test_a_change_of_the_agenda_voids_it(meeting, change):
    approve(meeting)

    change(meeting)

    approval = standing(meeting)
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
    due = standing(meeting).due_at

    missing = standing(meeting).is_overdue(at=due + timedelta(minutes=1))
    approval = approve(meeting, now=due + timedelta(minutes=1))

    assert missing
    assert approval.holds
    assert approval.is_late
    assert not approval.is_overdue(at=due + timedelta(hours=1))
