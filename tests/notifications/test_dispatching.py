"""Sending a batch: at most once to everybody, whatever the carrier or the worker does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

import voting_portal.gateways
from ballots.models import Ballot
from identity.links import personal_url
from meetings.models import Holder, Meeting, MeetingKey
from notifications import campaigns, claims, dispatching, outcomes, suppressions
from notifications.models import Campaign, Delivery, DeliveryBatch
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import PLANNER, start_campaign
from voting_portal.common import ids
from voting_portal.gateways.http_batch import HttpBatchGateway

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=6)


def phones(simulator):
    return sorted(message.phone for message in simulator.inbox.read(limit=1_000))


def everybody(number=30):
    """All but number 13, whose phone the simulator never reaches."""
    return [f"154{n:08d}" for n in range(1, number + 1) if n != 13]


def test_everybody_gets_one_message_with_their_own_link(running, simulator):
    running.send()

    assert running.states() == {"ACCEPTED": 30}
    assert phones(simulator) == everybody()
    holder = Holder.objects.of_meeting(running.campaign.meeting_id).get(
        pk=running.deliveries[6].holder_id
    )
    (message,) = simulator.inbox.read(phone="15400000007")
    assert f" {personal_url(holder.pk, 0)} " in message.text
    assert message.ref == str(running.deliveries[6].pk)


def test_the_campaign_is_done_when_its_last_batch_is(running):
    running.send()

    running.refresh()
    assert (running.batch.state, running.campaign.state) == ("DONE", "DONE")
    assert running.campaign.meeting.journal.filter(verb="campaign.done").count() == 1


def test_sending_a_batch_again_sends_nothing(running, simulator):
    running.send()
    running.send()

    assert phones(simulator) == everybody()


@pytest.mark.parametrize("kind", ["NOTICE", "REMINDER", "CORRECTION"])
def test_a_reminder_alone_passes_over_who_has_voted(running, simulator, kind):
    Campaign.objects.filter(pk=running.campaign.pk).update(kind=kind)
    delivery = running.deliveries[4]
    Ballot.objects.create(
        id=ids.ballot_id(delivery.holder_id, 0),
        holder_id=delivery.holder_id,
        share_class=0,
        shares=100,
        choices={},
        level=1,
        commitment=bytes(32),
        cast_at=timezone.now(),
    )

    running.send()

    is_passed_over = kind == "REMINDER"
    delivery.refresh_from_db()
    assert (delivery.reason == "voted") == is_passed_over
    assert running.states().get("SKIPPED", 0) == is_passed_over
    assert ("15400000005" not in phones(simulator)) == is_passed_over


def test_who_opts_out_while_it_waits_is_not_written_to(running, simulator):
    suppressions.withdraw(phone="+86 154-0000-0005", by="gateway:sms", at=timezone.now())

    running.send()

    delivery = running.deliveries[4]
    assert (delivery.state, delivery.reason) == (Delivery.State.SKIPPED, "opted out")
    assert running.states() == {"ACCEPTED": 29, "SKIPPED": 1}
    assert "15400000005" not in phones(simulator)


def test_outside_its_hours_a_campaign_waits_and_goes_on_by_itself(running, simulator):
    Meeting.objects.update(is_rehearsal=False)
    night = timezone.now().replace(hour=14, minute=0)  # 22:00 in Beijing
    morning = night + timedelta(hours=11)

    dispatching.send_batch(running.batch.pk, clock=lambda: night)
    at_night = running.states(), claims.next_round(already_rung=0, at_most=9, now=night)
    by_day = claims.next_round(already_rung=0, at_most=9, now=morning)
    dispatching.send_batch(running.batch.pk, clock=lambda: morning)

    assert at_night == ({"QUEUED": 30}, [])
    assert by_day == [running.batch.pk]
    assert running.states() == {"ACCEPTED": 30}
    assert running.refresh().campaign.pause_reason == ""


def test_a_rest_that_the_carrier_asks_for_is_waited_out(running, simulator, break_it):
    break_it(throttle=1)

    running.send()

    assert running.states() == {"ACCEPTED": 30}
    assert phones(simulator) == everybody()


def test_a_carrier_that_is_away_leaves_everything_queued(running, gateways, monkeypatch):
    monkeypatch.setattr(dispatching, "UNREACHABLE_SECONDS", 0.01)
    gateways["sms"]["url"] = "http://127.0.0.1:1"

    running.send()

    assert running.states() == {"QUEUED": 30}
    assert running.refresh().batch.state == "READY"
    assert running.campaign.state == "RUNNING"


def test_a_message_without_an_answer_is_never_sent_again(running, simulator, break_it):
    break_it(drop=True)
    running.send()
    break_it()

    running.send()

    assert running.states() == {"UNKNOWN": 30}
    assert phones(simulator) == everybody()  # once each


def test_a_campaign_pauses_when_too_many_go_wrong(gateways, break_it):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 100)
    campaign = start_campaign(meeting)
    break_it(drop=True)

    dispatching.send_batch(campaign.batches.get().pk, clock=timezone.now)

    campaign.refresh_from_db()
    assert campaign.state == "PAUSED"
    assert campaign.pause_reason == "失败或结果不明的短信超过20%。"
    unknown = Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.UNKNOWN)
    assert unknown.count() == 50
    assert campaign.batches.get().state == "READY"


def test_our_own_fault_pauses_the_campaign_and_loses_nobody(running, simulator, break_it):
    break_it(error=401)
    running.send()
    break_it()

    running.refresh()
    assert running.campaign.state == "PAUSED"
    assert "HTTP 401" in running.campaign.pause_reason
    assert running.states() == {"QUEUED": 30}
    campaigns.resume_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())
    running.send()
    assert phones(simulator) == everybody()


def test_without_redis_nothing_is_sent_and_nothing_lost(running, simulator, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    running.send()

    assert running.states() == {"QUEUED": 30}
    assert running.refresh().batch.state == "READY"
    assert phones(simulator) == []


def test_a_meeting_that_has_closed_stops_its_campaign(running, simulator):
    Meeting.objects.filter(pk=running.campaign.meeting_id).update(state="CLOSED")

    running.send()

    running.refresh()
    assert running.campaign.state == "PAUSED"
    assert "投票已截止" in running.campaign.pause_reason
    assert phones(simulator) == []


def test_a_gateway_that_was_taken_away_pauses_the_campaign(running, gateways):
    del gateways["sms"]

    running.send()

    assert running.refresh().campaign.pause_reason == "没有名为“sms”的通道。"
    assert running.states() == {"QUEUED": 30}


def test_destroyed_keys_pause_the_campaign(running, monkeypatch):
    monkeypatch.setattr("meetings.keys._remembered", {})
    MeetingKey.objects.filter(meeting=running.campaign.meeting_id, purpose="RECORDS").delete()

    running.send()

    assert "密钥" in running.refresh().campaign.pause_reason
    assert running.states() == {"QUEUED": 30}


def test_a_record_that_does_not_open_fails_alone(running, simulator):
    holder = running.deliveries[0].holder_id
    other = Holder.objects.get(pk=running.deliveries[1].holder_id)
    Holder.objects.filter(pk=holder).update(sealed=other.sealed)

    running.send()

    assert running.states() == {"ACCEPTED": 29, "FAILED": 1}
    assert running.deliveries[0].reason == "unreadable record"
    assert phones(simulator) == everybody()[1:]


def test_a_pause_stops_within_a_sub_batch(running, simulator, gateways, monkeypatch):
    class PausedWhileSending(HttpBatchGateway):
        def send(self, messages):
            campaigns.pause_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())
            return super().send(messages)

    monkeypatch.setitem(voting_portal.gateways.DIALECTS, "paused", PausedWhileSending)
    gateways["sms"]["dialect"] = "paused"

    running.send()

    assert running.states() == {"ACCEPTED": 10, "QUEUED": 20}
    assert running.refresh().batch.state == "READY"
    gateways["sms"]["dialect"] = "http_batch"
    campaigns.resume_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())
    running.send()
    assert phones(simulator) == everybody()


@pytest.mark.django_db(transaction=True)
def test_one_of_two_workers_gets_the_batch(running):
    together = Barrier(2, timeout=30)

    def claim(_worker):
        connection.ensure_connection()
        together.wait()
        try:
            return claims.claim_batch(running.batch.pk, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        claimed = list(pool.map(claim, range(2)))

    assert sum(claim is not None for claim in claimed) == 1


def test_what_a_lost_worker_had_in_hand_is_unknown_and_the_rest_goes_on(running, simulator):
    claim = running.claim()
    in_hand = [delivery.pk for delivery in running.deliveries[:10]]
    outcomes.mark_sending(claim, in_hand, now=timezone.now())

    parked = claims.reap(now=timezone.now() + LATER)
    running.send()

    assert parked == 10
    assert running.states() == {"UNKNOWN": 10, "ACCEPTED": 20}
    assert phones(simulator) == everybody()[10:]


def test_a_lease_that_still_runs_is_left_alone(running):
    running.claim()

    assert claims.reap(now=timezone.now()) == 0
    assert running.refresh().batch.state == "LEASED"


def test_a_worker_that_lost_its_batch_sends_no_more_of_it(running):
    claim = running.claim()
    claims.reap(now=timezone.now() + LATER)
    running.claim()

    leaving = outcomes.mark_sending(claim, [running.deliveries[0].pk], now=timezone.now())

    assert leaving is None
    assert running.states() == {"QUEUED": 30}


def test_an_answer_that_comes_after_the_reaper_is_still_believed(running):
    claim, delivery = running.claim(), running.deliveries[0]
    outcomes.mark_sending(claim, [delivery.pk], now=timezone.now())
    claims.reap(now=timezone.now() + LATER)

    accepted = voting_portal.gateways.Outcome.ACCEPTED
    result = voting_portal.gateways.Result(str(delivery.pk), accepted, gateway_ref="late")
    outcomes.write_results(claim, [result], now=timezone.now())

    delivery.refresh_from_db()
    assert (delivery.state, delivery.gateway_ref) == (Delivery.State.ACCEPTED, "late")


def test_not_sent_after_the_reaper_stays_unknown(running):
    claim, delivery = running.claim(), running.deliveries[0]
    outcomes.mark_sending(claim, [delivery.pk], now=timezone.now())
    claims.reap(now=timezone.now() + LATER)

    not_sent = voting_portal.gateways.Outcome.NOT_SENT
    result = voting_portal.gateways.Result(str(delivery.pk), not_sent)
    outcomes.write_results(claim, [result], now=timezone.now())

    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.UNKNOWN


def test_a_round_rings_for_what_the_broker_does_not_hold_yet(gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1_501)
    campaign = start_campaign(meeting)
    batches = list(campaign.batches.order_by("id").values_list("pk", flat=True))

    now = timezone.now()
    assert claims.next_round(already_rung=0, at_most=3, now=now) == batches[:3]
    assert claims.next_round(already_rung=2, at_most=3, now=now) == batches[2:3]
    assert claims.next_round(already_rung=5, at_most=3, now=now) == []


def test_no_bell_rings_for_a_paused_campaign(running):
    campaigns.pause_campaign(running.campaign.pk, by=PLANNER, now=timezone.now())

    assert claims.next_round(already_rung=0, at_most=10, now=timezone.now()) == []
    assert claims.claim_batch(running.batch.pk, now=timezone.now()) is None
    assert DeliveryBatch.objects.get().state == "READY"
