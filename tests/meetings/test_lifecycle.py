"""A meeting goes through its states one verb at a time, and each verb checks what it needs."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from meetings import lifecycle
from meetings.lifecycle import BEIJING, CannotAdvance, SamePerson
from meetings.models import Meeting, Motion, ShareClass
from tests.factories import make_meeting

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def state_of(meeting):
    return Meeting.objects.get(pk=meeting.pk).state


def test_the_whole_way_of_a_rehearsal_is_in_the_journal():
    meeting = make_meeting(state="REGISTER_LOADED")

    lifecycle.confirm_motions(meeting.pk, by="operator:1", now=NOW)
    lifecycle.invite(meeting.pk, by="operator:2", now=NOW)
    lifecycle.open_polls(meeting.pk, by="system:timer")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    verbs = list(meeting.journal.order_by("id").values_list("verb", "actor"))
    assert verbs == [
        ("meeting.prepared", "operator:0"),
        ("meeting.motions_confirmed", "operator:1"),
        ("meeting.invited", "operator:2"),
        ("meeting.open", "system:timer"),
        ("meeting.closed", "operator:1"),
    ]
    assert state_of(meeting) == "CLOSED"
    assert Meeting.objects.get().polls_sealed_at is not None


@pytest.mark.parametrize("state", ["DRAFT", "INVITED", "CLOSED", "CANCELLED"])
def test_a_step_from_the_wrong_state_changes_nothing(state):
    meeting = make_meeting(state=state)

    with pytest.raises(CannotAdvance):
        lifecycle.confirm_motions(meeting.pk, by="operator:1", now=NOW)

    assert state_of(meeting) == state
    assert meeting.journal.count() == 1


def test_whoever_confirmed_the_motions_does_not_open_the_links():
    meeting = make_meeting(state="REGISTER_LOADED")
    lifecycle.confirm_motions(meeting.pk, by="operator:1", now=NOW)

    with pytest.raises(SamePerson):
        lifecycle.invite(meeting.pk, by="operator:1", now=NOW)

    assert state_of(meeting) == "MOTIONS_CONFIRMED"


def test_an_agenda_with_gaps_is_not_confirmed_and_all_gaps_are_named():
    meeting = make_meeting(state="REGISTER_LOADED", motions=False)
    Motion.objects.create(
        meeting=meeting, group=1, title="选举", kind="CUMULATIVE", seats=1, share_classes=["B"]
    )

    with pytest.raises(CannotAdvance) as refusal:
        lifecycle.confirm_motions(meeting.pk, by="operator:1", now=NOW)

    assert "没有候选人" in str(refusal.value)
    assert "B" in str(refusal.value)
    assert state_of(meeting) == "REGISTER_LOADED"


def test_a_meeting_without_motions_or_classes_is_not_confirmed():
    meeting = make_meeting(state="REGISTER_LOADED", motions=False)
    ShareClass.objects.all().delete()

    problems = lifecycle.problems_of_agenda(meeting)

    assert len(problems) == 2


@pytest.mark.parametrize(
    ("hour", "minute", "is_lawful"), [(9, 15, True), (9, 14, False), (10, 0, False)]
)
def test_a_real_meeting_votes_at_the_lawful_hours(hour, minute, is_lawful):
    day = datetime(2026, 6, 26, tzinfo=BEIJING)
    meeting = make_meeting(
        state="REGISTER_LOADED",
        is_rehearsal=False,
        meeting_date=day.date(),
        record_date=day.date() - timedelta(days=8),
        polls_open_at=day.replace(hour=hour, minute=minute),
        polls_close_at=day.replace(hour=15),
    )

    with nullcontext() if is_lawful else pytest.raises(CannotAdvance, match="9:15至15:00"):
        lifecycle.confirm_motions(meeting.pk, by="operator:1", now=NOW)

    assert state_of(meeting) == ("MOTIONS_CONFIRMED" if is_lawful else "REGISTER_LOADED")


def test_the_timer_opens_and_closes_what_is_due():
    now, hour = timezone.now(), timedelta(hours=1)
    gone_by = {"polls_open_at": now - 3 * hour, "polls_close_at": now - 2 * hour}
    due = make_meeting(state="INVITED")
    over = make_meeting(state="OPEN", **gone_by)
    slept_through = make_meeting(state="INVITED", **gone_by)
    early = make_meeting(state="INVITED", polls_open_at=now + hour, polls_close_at=now + 2 * hour)

    lifecycle.move_due_polls(now=now)

    assert state_of(due) == "OPEN"
    assert state_of(over) == "CLOSED"
    assert state_of(slept_through) == "CLOSED"
    assert state_of(early) == "INVITED"


def test_open_polls_cannot_be_closed_before_their_hour():
    meeting = make_meeting(is_rehearsal=False)

    with pytest.raises(CannotAdvance):
        lifecycle.close_polls(meeting.pk, by="operator:1")
    with pytest.raises(CannotAdvance, match="演练"):
        lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    assert Meeting.objects.get().polls_sealed_at is None


def test_a_rehearsal_is_certified_but_not_published():
    meeting = make_meeting(state="TALLIED")
    lifecycle.certify(meeting.pk, by="operator:1", now=NOW)

    with pytest.raises(CannotAdvance, match="演练"):
        lifecycle.publish(meeting.pk, by="operator:1", now=NOW)

    assert state_of(meeting) == "CERTIFIED"


@pytest.mark.parametrize("verb", [lifecycle.postpone, lifecycle.cancel])
def test_a_meeting_is_called_off_only_before_its_polls_open(verb):
    invited, open_ = make_meeting(state="INVITED"), make_meeting(state="OPEN")

    verb(invited.pk, by="operator:1", now=NOW)
    with pytest.raises(CannotAdvance):
        verb(open_.pk, by="operator:1", now=NOW)

    assert state_of(invited) in ("POSTPONED", "CANCELLED")
    assert state_of(open_) == "OPEN"


def test_whoever_certified_the_result_does_not_publish_it():
    meeting = make_meeting(state="TALLIED", is_rehearsal=False)
    lifecycle.certify(meeting.pk, by="operator:1", now=NOW)

    with pytest.raises(SamePerson):
        lifecycle.publish(meeting.pk, by="operator:1", now=NOW)

    assert state_of(meeting) == "CERTIFIED"
    lifecycle.publish(meeting.pk, by="operator:2", now=NOW)
    assert state_of(meeting) == "PUBLISHED"
