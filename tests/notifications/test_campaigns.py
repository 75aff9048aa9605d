"""The life of a campaign: two people, one audience, and a journal of every step."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone

from meetings.models import Meeting
from notifications import campaigns
from notifications.models import Campaign, Delivery
from notifications.progress import progress
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holder, make_holders, make_meeting
from tests.notifications.conftest import APPROVER, PLANNER, start_campaign
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
State = Campaign.State
VERBS = {
    "approve": (campaigns.approve_campaign, {State.DRAFT}),
    "start": (campaigns.start_campaign, {State.APPROVED}),
    "pause": (campaigns.pause_campaign, {State.RUNNING}),
    "resume": (campaigns.resume_campaign, {State.PAUSED}),
    "cancel": (
        campaigns.cancel_campaign,
        {State.PLANNING, State.DRAFT, State.APPROVED, State.RUNNING, State.PAUSED},
    ),
}


def plan(meeting, **words):
    defaults = {"wording": default_wording(), "plan": plan_of("sms")}
    return campaigns.plan_campaign(
        meeting.pk, **{**defaults, **words}, by=PLANNER, now=timezone.now()
    )


def tell_everybody(meeting):
    """A notice that reached all; how many campaigns that makes."""
    campaign = start_campaign(meeting)
    Delivery.objects.of_campaign(campaign).update(state=Delivery.State.DELIVERED)
    return 1


def verbs_of(meeting):
    found = meeting.journal.filter(verb__startswith="campaign.").order_by("id")
    return list(found.values_list("verb", "actor"))


def test_every_step_of_a_campaign_is_in_the_journal():
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, 3)

    campaign = plan(meeting)
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=now)
    campaigns.start_campaign(campaign.pk, by=PLANNER, now=now)
    campaigns.pause_campaign(campaign.pk, by=PLANNER, now=now)
    campaigns.resume_campaign(campaign.pk, by=APPROVER, now=now)
    campaigns.cancel_campaign(campaign.pk, by=PLANNER, now=now)

    assert verbs_of(meeting) == [
        ("campaign.planned", PLANNER),
        ("campaign.approved", APPROVER),
        ("campaign.started", PLANNER),
        ("campaign.paused", PLANNER),
        ("campaign.resumed", APPROVER),
        ("campaign.cancelled", PLANNER),
    ]


def test_nobody_approves_what_they_planned_themselves():
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)
    campaign = plan(meeting)

    with pytest.raises(campaigns.SamePerson):
        campaigns.approve_campaign(campaign.pk, by=PLANNER, now=timezone.now())

    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by) == (State.DRAFT, "")
    assert verbs_of(campaign.meeting) == [("campaign.planned", PLANNER)]


@pytest.mark.parametrize(
    ("name", "state"),
    [(name, state) for name, (_, since) in VERBS.items() for state in State if state not in since],
)
def test_a_step_out_of_order_changes_nothing(name, state):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)
    campaign = plan(meeting)
    Campaign.objects.filter(pk=campaign.pk).update(state=state, approved_by=APPROVER)

    with pytest.raises(campaigns.WrongState):
        VERBS[name][0](campaign.pk, by=APPROVER, now=timezone.now())

    campaign.refresh_from_db()
    assert campaign.state == state
    assert verbs_of(meeting) == [("campaign.planned", PLANNER)]


@pytest.mark.parametrize("kind", Campaign.Kind)
@pytest.mark.parametrize("state", Meeting.State)
def test_a_campaign_is_planned_only_while_it_has_something_to_say(kind, state):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)
    told = tell_everybody(meeting) if kind == Campaign.Kind.CORRECTION else 0
    Meeting.objects.filter(pk=meeting.pk).update(state=state, is_rehearsal=False)

    if state in campaigns.SENDABLE[kind]:
        plan(meeting, kind=kind, wording=default_wording(kind))
    else:
        with pytest.raises(campaigns.WrongMeetingState):
            plan(meeting, kind=kind, wording=default_wording(kind))

    assert meeting.campaigns.count() - told == (state in campaigns.SENDABLE[kind])


@pytest.mark.parametrize(
    "state", sorted(set(Meeting.State) - set(campaigns.SENDABLE[Campaign.Kind.NOTICE]))
)
def test_a_notice_does_not_start_once_there_is_nothing_to_vote_on(state):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)
    campaign = plan(meeting)
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=timezone.now())
    Meeting.objects.filter(pk=meeting.pk).update(state=state, is_rehearsal=False)

    with pytest.raises(campaigns.WrongMeetingState):
        campaigns.start_campaign(campaign.pk, by=PLANNER, now=timezone.now())

    campaign.refresh_from_db()
    assert (campaign.state, campaign.started_at) == (State.APPROVED, None)


def test_the_audience_is_everybody_with_a_vote_and_a_phone():
    meeting = make_meeting(motions=False)
    person = make_holder(meeting)
    institution = make_holder(meeting, kind="O")
    make_holder(meeting, phone="")
    make_holder(meeting, kind="N")
    make_holder(meeting, kind="V")

    campaign = start_campaign(meeting)

    told = Delivery.objects.of_campaign(campaign).values_list("id", "holder_id")
    assert set(told) == {(ids.delivery_id(h.pk, 0, 0), h.pk) for h in (person, institution)}
    assert campaign.planned == 2


def test_holders_of_other_meetings_are_not_told():
    meeting, other = make_meeting(motions=False), make_meeting(motions=False)
    make_holder(meeting)
    make_holder(other)

    campaign = start_campaign(meeting)

    assert campaign.planned == 1


def test_batches_hold_five_hundred():
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1_001)

    campaign = start_campaign(meeting)

    lengths = [batch.deliveries.count() for batch in campaign.batches.order_by("id")]
    assert lengths == [500, 500, 1]


def test_a_second_notice_goes_only_to_those_who_have_none():
    meeting = make_meeting(motions=False)
    make_holder(meeting)
    first = start_campaign(meeting)
    late = make_holder(meeting, phone="15400000002")

    second = start_campaign(meeting)

    assert (first.number, second.number) == (0, 1)
    assert Delivery.objects.of_campaign(second).get().pk == ids.delivery_id(late.pk, 1, 0)


def test_a_register_without_phones_plans_nothing():
    meeting = make_meeting(motions=False)
    make_holder(meeting, phone="")

    with pytest.raises(campaigns.NobodyToTell):
        plan(meeting)

    assert not meeting.campaigns.exists()
    assert verbs_of(meeting) == []


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"wording": "【上证信息】"}, campaigns.CannotWord),
        ({"plan": plan_of("pigeon")}, campaigns.CannotRoute),
        ({"send_from": time(7, 59)}, campaigns.OutsideHours),
        ({"send_until": time(22, 1)}, campaigns.OutsideHours),
        ({"start_at": datetime(2020, 1, 1, tzinfo=UTC)}, campaigns.StartPassed),
    ],
)
def test_what_cannot_be_sent_is_not_even_planned(words, refusal):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)

    with pytest.raises(refusal):
        plan(meeting, **words)

    assert not meeting.campaigns.exists()
    assert verbs_of(meeting) == []


def test_a_cancelled_campaign_withholds_what_is_still_queued(running):
    campaigns.cancel_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())

    running.send()

    assert running.states() == {"SKIPPED": 30}
    assert running.refresh().batch.state == "DONE"


def test_of_a_campaign_that_never_started_only_its_own_row_stays():
    meeting = make_meeting(motions=False)
    make_holders(meeting, 3)
    campaign = plan(meeting)

    campaigns.cancel_campaign(campaign.pk, by=PLANNER, now=timezone.now())
    again = plan(meeting)

    assert not Delivery.objects.of_campaign(campaign).exists()
    assert not campaign.batches.exists()
    assert again.planned == 3


def test_an_approved_campaign_starts_at_its_hour():
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, 1)
    campaign = plan(meeting, start_at=now + timedelta(minutes=5))
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=now)

    early = campaigns.start_due(now=now)
    due = campaigns.start_due(now=now + timedelta(minutes=5))
    again = campaigns.start_due(now=now + timedelta(minutes=6))

    campaign.refresh_from_db()
    assert (early, due, again) == (0, 1, 0)
    assert campaign.state == State.RUNNING
    assert verbs_of(meeting)[-1] == ("campaign.started", campaigns.SYSTEM)


def test_nothing_starts_by_the_clock_that_nobody_approved():
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, 1)
    campaign = plan(meeting, start_at=now + timedelta(minutes=5))

    started = campaigns.start_due(now=now + timedelta(hours=1))

    campaign.refresh_from_db()
    assert (started, campaign.state) == (0, State.DRAFT)


def test_a_campaign_that_cannot_start_at_its_hour_says_why_and_waits_for_a_person():
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, 1)
    campaign = plan(meeting, start_at=now + timedelta(minutes=5))
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=now)
    Meeting.objects.filter(pk=meeting.pk).update(state=Meeting.State.CLOSED)

    started = campaigns.start_due(now=now + timedelta(hours=1))

    campaign.refresh_from_db()
    assert (started, campaign.state, campaign.start_at) == (0, State.APPROVED, None)
    assert "投票已截止" in campaign.pause_reason


def set_states(running, *states):
    for delivery, state in zip(running.deliveries, states, strict=False):
        Delivery.objects.filter(pk=delivery.pk).update(state=state, reason="MK:0001")
    Delivery.objects.of_campaign(running.campaign).filter(state=Delivery.State.QUEUED).update(
        state=Delivery.State.DELIVERED
    )
    running.campaign.batches.update(state="DONE")
    campaigns.finish_campaigns(now=timezone.now())


def test_only_what_may_arrive_the_next_time_is_sent_again(running):
    states = Delivery.State.UNREACHED, Delivery.State.FAILED, Delivery.State.UNKNOWN
    set_states(running, *states)

    number = campaigns.retry_failed(running.campaign.pk, by=PLANNER, now=timezone.now())

    running.refresh()
    assert number == 1
    assert running.states() == {"QUEUED": 1, "FAILED": 1, "UNKNOWN": 1, "DELIVERED": 27}
    assert (running.campaign.state, running.campaign.done_at) == (State.RUNNING, None)
    assert running.batch.state == "READY"


def test_what_is_unknown_is_released_by_a_word_of_its_own(running):
    set_states(running, Delivery.State.UNKNOWN, Delivery.State.UNKNOWN)

    number = campaigns.release_unknown(running.campaign.pk, by=PLANNER, now=timezone.now())

    assert number == 2
    assert running.states() == {"QUEUED": 2, "DELIVERED": 28}
    assert verbs_of(running.campaign.meeting)[-1] == ("campaign.released", PLANNER)


@pytest.mark.parametrize("verb", [campaigns.retry_failed, campaigns.release_unknown])
def test_with_nothing_to_send_again_a_campaign_stays_done(running, verb):
    set_states(running)

    with pytest.raises(campaigns.NothingToRetry):
        verb(running.campaign.pk, by=PLANNER, now=timezone.now())

    assert running.refresh().campaign.state == State.DONE
    assert running.states() == {"DELIVERED": 30}


def test_progress_adds_up_and_never_calls_accepted_delivered(running):
    first, second, third = running.deliveries[:3]
    for delivery, state, reason in (
        (first, Delivery.State.DELIVERED, ""),
        (second, Delivery.State.FAILED, "MK:0001"),
        (third, Delivery.State.ACCEPTED, ""),
    ):
        Delivery.objects.filter(pk=delivery.pk).update(state=state, reason=reason)

    figures = progress(running.campaign, now=timezone.now())

    assert {f.state.name: f.deliveries for f in figures.figures if f.deliveries} == {
        "QUEUED": 27,
        "DELIVERED": 1,
        "FAILED": 1,
        "ACCEPTED": 1,
    }
    assert (figures.waiting, figures.settled, figures.total) == (27, 3, 30)
    assert [(r.state.name, r.gateway, r.code, r.deliveries) for r in figures.reasons] == [
        ("FAILED", "sms", "MK:0001", 1)
    ]
