"""Easing off: an ill gateway gives up its share slowly, and nobody is left without one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from notifications import claims, dispatching, receipts
from notifications.easing import count, ease_off
from notifications.models import Delivery, GatewayCount, GatewayHealth
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import start_campaign
from voting_portal.gateways.protocol import ReceiptLine, Report

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, 10, 0, 5, tzinfo=UTC)
PLAN = [[{"gateway": "sms", "weight": 1}, {"gateway": "sms-b", "weight": 1}]]


@pytest.fixture(autouse=True)
def _gateways(many_gateways):
    """rcs of one kind, sms and sms-b of another."""


def minutes(number):
    return NOW + timedelta(minutes=number)


def points():
    return dict(GatewayHealth.objects.values_list("gateway", "points"))


def fail(gateway, at, *, failures=60, handed=100):
    count(gateway, handed=handed, failures=failures, now=at)


def test_a_gateway_with_fifty_failures_in_a_minute_loses_ten_points():
    fail("sms", NOW)

    assert ease_off(now=NOW) == ["sms"]

    assert points() == {"rcs": 100, "sms": 90, "sms-b": 100}
    assert GatewayHealth.objects.get(pk="sms").reason == "60秒内60条没有回应"


@pytest.mark.parametrize(
    ("failures", "handed", "seconds"),
    [(49, 100, 0), (60, 601, 0), (60, 100, 70)],
    ids=["too few", "too small a share", "too long ago"],
)
def test_a_few_failures_are_no_illness(failures, handed, seconds):
    fail("sms", NOW, failures=failures, handed=handed)

    assert ease_off(now=NOW + timedelta(seconds=seconds)) == []


@pytest.mark.parametrize(("slow", "is_ill"), [(14, False), (15, True)])
def test_a_gateway_whose_messages_are_late_is_ill(slow, is_ill):
    count("sms", delivered=100, slow=slow, now=NOW - timedelta(minutes=14))

    assert ease_off(now=NOW) == (["sms"] if is_ill else [])


def test_one_change_in_five_minutes():
    for minute in range(6):
        fail("sms", minutes(minute))

    changed = [bool(ease_off(now=minutes(minute))) for minute in range(6)]

    assert changed == [True, False, False, False, False, True]
    assert points()["sms"] == 80


def test_when_all_are_ill_nothing_changes():
    fail("sms", NOW)
    fail("sms-b", NOW)

    assert ease_off(now=NOW) == []
    assert points() == {"rcs": 100, "sms": 100, "sms-b": 100}


def test_a_gateway_alone_of_its_kind_keeps_its_share():
    fail("rcs", NOW)

    assert ease_off(now=NOW) == []


def test_a_gateway_that_is_well_again_gets_its_share_back_slowly():
    GatewayHealth.objects.create(gateway="sms", points=80, reason="ill", changed_at=NOW)

    changed = [bool(ease_off(now=minutes(minute))) for minute in (4, 5, 9, 10, 15)]

    assert changed == [False, True, False, True, False]
    health = GatewayHealth.objects.get(pk="sms")
    assert (health.points, health.reason) == (100, "")


def test_the_waiting_batches_are_dealt_again_and_those_begun_stay():
    meeting = make_meeting(motions=False)
    make_holders(meeting, 4_900)
    campaign = start_campaign(meeting, plan=PLAN)
    begun = campaign.batches.filter(gateway="sms").order_by("id")[0]
    campaign.batches.filter(pk=begun.pk).update(is_begun=True)
    GatewayHealth.objects.create(gateway="sms", points=10)
    fail("sms", NOW)

    ease_off(now=NOW)

    assert points()["sms"] == 0
    assert Counter(campaign.batches.values_list("gateway", flat=True)) == {"sms": 1, "sms-b": 9}
    begun.refresh_from_db()
    assert begun.gateway == "sms"


def test_a_batch_is_begun_when_something_of_it_left(running, many_gateways, break_it):
    many_gateways["sms"]["url"] = "http://127.0.0.1:1"
    claim = running.claim()
    claims.hand_back(claim, now=timezone.now())
    untouched = running.refresh().batch.is_begun
    claim = running.claim()
    first = running.deliveries[0]
    Delivery.objects.filter(pk=first.pk).update(state=Delivery.State.UNKNOWN)

    claims.hand_back(claim, now=timezone.now())

    assert (untouched, running.refresh().batch.is_begun) == (False, True)
    assert running.batch.state == "READY"


def test_sending_counts_what_the_gateway_did(running, break_it):
    break_it(drop=True)
    running.send()

    counted = GatewayCount.objects.get()
    assert (counted.gateway, counted.handed, counted.failures) == ("sms", 30, 30)
    assert counted.since.second % 10 == counted.since.microsecond == 0


def test_receipts_count_what_arrived_and_how_late(running):
    running.send()
    now = timezone.now() + timedelta(minutes=6)
    late = [ReceiptLine(str(delivery.pk), Report.DELIVERED) for delivery in running.deliveries[:3]]

    receipts.take_lines("sms", late, now=now)
    receipts.apply_waiting(now=now)
    receipts.apply_waiting(now=now)

    counted = GatewayCount.objects.order_by("-since")[0]
    assert (counted.delivered, counted.slow) == (3, 3)


def test_redis_away_and_a_gateway_at_rest_are_told_to_staff(running, settings, tmp_path):
    free = dispatching.hindrance(running.campaign)
    dispatching.pacing.hold_back("sms", seconds=30)
    resting = dispatching.hindrance(running.campaign)
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    away = dispatching.hindrance(running.campaign)

    assert free == ""
    assert "“sms”" in resting
    assert away.startswith("Redis没有响应")
    running.send()
    assert running.states() == {"QUEUED": 30}


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_ease_off_once():
    ease_off(now=NOW)
    fail("sms", NOW)
    together = Barrier(2, timeout=30)

    def ease(_beat):
        connection.ensure_connection()
        together.wait()
        try:
            return ease_off(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        changed = list(pool.map(ease, range(2)))

    assert sorted(changed) == [[], ["sms"]]
    assert points()["sms"] == 90
