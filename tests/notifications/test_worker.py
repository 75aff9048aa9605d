"""A campaign through a real Celery worker to a simulator process, with receipts back over HTTP."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from notifications import campaigns, claims, receipts
from notifications.models import Delivery
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import PLANNER, start_campaign
from tests.notifications.processes import (
    has_left_the_database,
    is_done,
    kill,
    states,
    wait_until,
)
from voting_portal.gateways.simulator.carrier import is_reachable

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
HOLDERS = 2_000
PHONES = {f"154{n:08d}" for n in range(1, HOLDERS + 1)}
REACHABLE = {phone for phone in PHONES if is_reachable(phone)}


@pytest.fixture
def campaign(carrier):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    return start_campaign(meeting)


def test_everybody_gets_it_once_and_every_receipt_finds_its_way(campaign, carrier, start_worker):
    start_worker()

    wait_until(is_done(campaign))

    def receipts_are_in():
        receipts.apply_waiting(now=timezone.now())
        return states(campaign) == {"DELIVERED": len(REACHABLE), "FAILED": HOLDERS - len(REACHABLE)}

    wait_until(receipts_are_in, ring=False)
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)


def test_a_killed_worker_sends_nobody_twice_and_forgets_nobody(campaign, carrier, start_worker):
    carrier.fail(delay=0.1, no_receipts=True)
    worker = start_worker()
    wait_until(lambda: carrier.inbox.count() > 400)
    carrier.fail(delay=4.0, no_receipts=True)
    time.sleep(0.7)  # until the requests with the short delay are over
    in_hand = 2 * 50  # a sub-batch in each process of the worker
    wait_until(lambda: states(campaign).get("SENDING") == in_hand)
    kill(worker)
    wait_until(has_left_the_database, ring=False)
    carrier.fail(no_receipts=True)

    parked = claims.reap(now=timezone.now() + timedelta(minutes=6))
    start_worker()
    wait_until(is_done(campaign))

    assert parked == in_hand
    assert states(campaign) == {"ACCEPTED": HOLDERS - parked, "UNKNOWN": parked}
    received = carrier.received()
    assert set(received.values()) == {1}
    unknown = Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.UNKNOWN)
    without_answer = {f"154{delivery.holder_id % 2**28:08d}" for delivery in unknown}
    assert received.keys() | without_answer >= REACHABLE


def test_a_flushed_broker_loses_nothing(campaign, carrier, start_worker, settings):
    carrier.fail(delay=0.05, no_receipts=True)
    start_worker()
    wait_until(lambda: carrier.inbox.count() > 100)

    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.flushall()
    wait_until(is_done(campaign))

    assert states(campaign) == {"ACCEPTED": HOLDERS}
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)


def test_a_pause_stops_both_workers_at_once_and_resuming_repeats_nothing(
    campaign, carrier, start_worker
):
    carrier.fail(delay=0.1, no_receipts=True)
    start_worker()
    wait_until(lambda: carrier.inbox.count() > 100)

    campaigns.pause_campaign(campaign.pk, by=PLANNER, now=timezone.now())
    handed_over = HOLDERS - states(campaign)["QUEUED"]
    wait_until(lambda: "SENDING" not in states(campaign), ring=False)
    time.sleep(0.3)

    assert states(campaign) == {"ACCEPTED": handed_over, "QUEUED": HOLDERS - handed_over}
    carrier.fail(no_receipts=True)
    campaigns.resume_campaign(campaign.pk, by=PLANNER, now=timezone.now())
    wait_until(is_done(campaign))
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)
