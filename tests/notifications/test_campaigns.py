"""The life of a campaign: two people, one audience, and a journal of every step."""

from __future__ import annotations

import pytest
from django.utils import timezone

from meetings.models import Meeting
from notifications import campaigns
from notifications.audiences import Audience, count_audience
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
        {State.DRAFT, State.APPROVED, State.RUNNING, State.PAUSED},
    ),
}


def plan(meeting, **words):
    defaults = {"wording": default_wording(), "plan": plan_of("sms")}
    return campaigns.plan_campaign(
        meeting.pk, **{**defaults, **words}, by=PLANNER, now=timezone.now()
    )


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
    campaign = plan(make_meeting(motions=False))

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
    Campaign.objects.filter(pk=campaign.pk).update(state=state)

    with pytest.raises(campaigns.WrongState):
        VERBS[name][0](campaign.pk, by=APPROVER, now=timezone.now())

    campaign.refresh_from_db()
    assert campaign.state == state
    assert verbs_of(meeting) == [("campaign.planned", PLANNER)]


@pytest.mark.parametrize("state", sorted(set(Meeting.State) - set(campaigns.NOTIFIABLE)))
def test_a_campaign_starts_only_between_invitation_and_close(state):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)
    campaign = plan(meeting)
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=timezone.now())
    Meeting.objects.filter(pk=meeting.pk).update(state=state, is_rehearsal=False)

    with pytest.raises(campaigns.MeetingNotInvited):
        campaigns.start_campaign(campaign.pk, by=PLANNER, now=timezone.now())

    assert not Delivery.objects.of_campaign(campaign).exists()


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
    assert count_audience(meeting.pk) == Audience(told=2, without_phone=1, not_addressed=2)
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


def test_a_second_campaign_has_deliveries_of_its_own():
    meeting = make_meeting(motions=False)
    holder = make_holder(meeting)

    first, second = start_campaign(meeting), start_campaign(meeting)

    assert (first.number, second.number) == (0, 1)
    assert Delivery.objects.of_campaign(second).get().pk == ids.delivery_id(holder.pk, 1, 0)


def test_a_register_without_phones_starts_nothing():
    meeting = make_meeting(motions=False)
    make_holder(meeting, phone="")

    with pytest.raises(campaigns.NobodyToTell):
        start_campaign(meeting)

    campaign = Campaign.objects.get(meeting=meeting)
    assert campaign.state == State.APPROVED
    assert not campaign.batches.exists()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"wording": "【上证信息】"}, campaigns.CannotWord),
        ({"plan": plan_of("pigeon")}, campaigns.CannotRoute),
    ],
)
def test_what_cannot_be_sent_is_not_even_planned(words, refusal):
    meeting = make_meeting(motions=False)

    with pytest.raises(refusal):
        plan(meeting, **words)

    assert not meeting.campaigns.exists()
    assert verbs_of(meeting) == []


def test_a_cancelled_campaign_withholds_what_is_still_queued(running):
    campaigns.cancel_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())

    running.send()

    assert running.states() == {"SKIPPED": 30}
    assert running.refresh().batch.state == "DONE"


def test_progress_adds_up_and_never_calls_accepted_delivered(running):
    first, second, third = running.deliveries[:3]
    for delivery, state, reason in (
        (first, Delivery.State.DELIVERED, ""),
        (second, Delivery.State.FAILED, "MK:0001"),
        (third, Delivery.State.ACCEPTED, ""),
    ):
        Delivery.objects.filter(pk=delivery.pk).update(state=state, reason=reason)

    figures = progress(running.campaign)

    assert (figures.planned, figures.queued, figures.accepted) == (30, 27, 1)
    assert (figures.delivered, figures.failed, figures.unknown) == (1, 1, 0)
    assert figures.settled == 3
    assert figures.reasons == (("发送失败", "MK:0001", 1),)
