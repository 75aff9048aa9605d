"""The next step of a plan: only after a final no, once, and never beside a message that arrived."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from meetings.models import Meeting
from notifications import campaigns, claims, dispatching, receipts
from notifications.models import Capability, Delivery
from notifications.next_steps import take_next_steps
from tests.factories import make_holder, make_holders, make_meeting
from tests.notifications.conftest import PLANNER, StandInLookUp, start_campaign
from voting_portal.gateways.protocol import ReceiptLine, Report

pytestmark = pytest.mark.django_db
State = Delivery.State
PLAN = [[{"gateway": "rcs", "weight": 1}], [{"gateway": "sms", "weight": 1}]]


@pytest.fixture
def campaign(many_gateways):
    """To ten holders by 5G message and, for whom that does not reach, by SMS."""
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)
    return start_campaign(meeting, plan=PLAN)


def send(campaign):
    """Send what waits, as the bell and the workers would."""
    now = timezone.now()
    for batch in claims.next_round(already_rung=0, at_most=100, now=now):
        dispatching.send_batch(batch, clock=timezone.now)


def step(campaign, number):
    """The deliveries of a step: the holder's index -> state and reason."""
    found = Delivery.objects.of_campaign(campaign).filter(batch__step=number)
    return {d.holder_id % 2**28: (State(d.state).name, d.reason) for d in found}


def report(campaign, holder, report, *, gateway="rcs", number=0, now=None):
    """The gateway's receipt for the message of a step to a holder, applied."""
    delivery = Delivery.objects.of_campaign(campaign).order_by("id")[0].pk
    ref = str(delivery + ((holder - 1) << 13) + number)
    now = now or timezone.now()
    receipts.take_lines(gateway, [ReceiptLine(ref, report, "code")], now=now)
    receipts.apply_waiting(now=now)


def test_who_was_not_reached_gets_the_next_step_and_nobody_else(campaign, simulator):
    send(campaign)
    report(campaign, 1, Report.DELIVERED)
    report(campaign, 2, Report.FAILED)

    send(campaign)

    assert step(campaign, 1) == {2: ("ACCEPTED", "")}
    campaign.refresh_from_db()
    assert campaign.state == "DONE"
    verbs = list(campaign.meeting.journal.order_by("id").values_list("verb", flat=True))
    assert verbs[-3:] == ["campaign.done", "campaign.continued", "campaign.done"]
    received = simulator.inbox.read(phone="15400000002")
    assert len({message.ref for message in received}) == len(received) == 2


@pytest.mark.parametrize(
    "said", [Report.UNREACHED, Report.REVOKED, Report.NETWORK, Report.DELIVERED, Report.DISPLAYED]
)
def test_anything_but_a_final_no_leads_to_nothing(campaign, said):
    send(campaign)
    report(campaign, 1, said)

    send(campaign)

    assert step(campaign, 1) == {}


def test_silence_and_an_answer_that_never_came_lead_to_nothing(campaign, break_it):
    break_it(drop=True)
    send(campaign)

    take_next_steps(now=timezone.now() + timedelta(days=30))

    assert {state for state, _reason in step(campaign, 0).values()} == {"UNKNOWN"}
    assert step(campaign, 1) == {}


def test_what_the_network_had_once_may_still_arrive(campaign):
    send(campaign)
    report(campaign, 1, Report.NETWORK)
    report(campaign, 1, Report.FAILED)

    send(campaign)

    assert step(campaign, 0)[1] == ("FAILED", "code")
    assert step(campaign, 1) == {}


def test_a_refusal_at_the_door_leads_to_the_next_step(many_gateways):
    meeting = make_meeting(motions=False)
    make_holder(meeting, phone="1234567")
    campaign = start_campaign(meeting, plan=PLAN)
    send(campaign)

    send(campaign)

    assert step(campaign, 0) == step(campaign, 1) == {1: ("FAILED", "BAD_NUMBER")}
    assert not Delivery.objects.filter(is_next_due=True).exists()


def test_the_last_step_has_no_next(campaign):
    send(campaign)
    report(campaign, 2, Report.FAILED)
    send(campaign)
    report(campaign, 2, Report.FAILED, gateway="sms", number=1)

    assert take_next_steps(now=timezone.now()) == 0
    assert not Delivery.objects.filter(is_next_due=True).exists()


def test_a_message_that_arrived_after_all_holds_the_next_one_back(campaign, simulator):
    send(campaign)
    report(campaign, 2, Report.FAILED)
    take_next_steps(now=timezone.now())
    report(campaign, 2, Report.DELIVERED)

    send(campaign)

    assert step(campaign, 0)[2] == ("DELIVERED", "code")
    assert step(campaign, 1) == {2: ("SKIPPED", "reached")}
    assert len(simulator.inbox.read(phone="15400000002")) == 1


def test_a_message_that_arrived_before_the_round_makes_it_needless(campaign):
    send(campaign)
    report(campaign, 2, Report.FAILED)
    report(campaign, 2, Report.DELIVERED)

    assert take_next_steps(now=timezone.now()) == 0
    assert step(campaign, 1) == {}


def test_a_cancelled_campaign_takes_no_next_step(campaign):
    claims.claim_batch(campaign.batches.get().pk, now=timezone.now())
    Delivery.objects.of_campaign(campaign).update(state=State.ACCEPTED)
    report(campaign, 2, Report.FAILED)
    campaigns.cancel_campaign(campaign.pk, by=PLANNER, now=timezone.now())

    assert take_next_steps(now=timezone.now()) == 0
    assert not Delivery.objects.filter(is_next_due=True).exists()
    campaign.refresh_from_db()
    assert campaign.state == "CANCELLED"


def test_a_meeting_that_has_closed_takes_no_next_step(campaign):
    send(campaign)
    report(campaign, 2, Report.FAILED)
    Meeting.objects.filter(pk=campaign.meeting_id).update(state="CLOSED")

    assert take_next_steps(now=timezone.now()) == 0
    campaign.refresh_from_db()
    assert campaign.state == "DONE"


def test_phones_that_cannot_show_it_go_on_at_once(many_gateways, simulator):
    unable = ["15400000003", "15400000007"]
    many_gateways["rcs"] |= {"dialect": "look-up", "unable": unable}
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)
    campaign = start_campaign(meeting, plan=PLAN)

    send(campaign)
    send(campaign)

    assert step(campaign, 0)[3] == step(campaign, 0)[7] == ("SKIPPED", "no capability")
    assert step(campaign, 1) == {3: ("ACCEPTED", ""), 7: ("ACCEPTED", "")}
    assert all(len(simulator.inbox.read(phone=phone)) == 1 for phone in unable)


def test_a_phone_is_asked_about_once_a_month(many_gateways):
    many_gateways["rcs"] |= {"dialect": "look-up", "unable": []}
    meeting = make_meeting(motions=False)
    make_holders(meeting, 6)
    send(start_campaign(meeting, plan=PLAN))
    send(start_campaign(meeting, plan=PLAN, kind="REMINDER"))
    asked_once = [list(phones) for phones in StandInLookUp.asked]

    Capability.objects.update(asked_at=timezone.now() - timedelta(days=31))
    send(start_campaign(meeting, plan=PLAN, kind="CORRECTION"))

    assert [len(phones) for phones in asked_once] == [4, 2]
    assert [len(phones) for phones in StandInLookUp.asked] == [4, 2, 4, 2]
    assert Capability.objects.count() == 6


def test_no_phone_stands_in_the_table_of_capabilities(many_gateways):
    many_gateways["rcs"] |= {"dialect": "look-up", "unable": []}
    meeting = make_meeting(motions=False)
    make_holders(meeting, 2)

    send(start_campaign(meeting, plan=PLAN))

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(c::text, ' ') FROM notifications_capability AS c")
        assert "1540000" not in cursor.fetchone()[0]


def test_without_a_next_step_nobody_is_asked_and_the_network_falls_back(many_gateways):
    many_gateways["rcs"] |= {"dialect": "look-up", "unable": ["15400000001"]}
    meeting = make_meeting(motions=False)
    make_holders(meeting, 2)
    campaign = start_campaign(meeting, plan=[PLAN[0]])

    send(campaign)

    assert StandInLookUp.asked == []
    assert step(campaign, 0)[1] == ("ACCEPTED", "")


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_take_a_step_once(campaign):
    send(campaign)
    for holder in range(1, 11):
        report(campaign, holder, Report.FAILED)
    together = Barrier(2, timeout=30)

    def take(_beat):
        connection.ensure_connection()
        together.wait()
        try:
            return take_next_steps(now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(take, range(2)))

    assert sorted(taken) == [0, 10]
    assert campaign.batches.filter(step=1).count() == 1
