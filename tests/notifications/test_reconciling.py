"""Every night: what no receipt has settled is asked for, given up, or thrown away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications import reconciling, tasks
from notifications.models import Capability, Delivery, GatewayCount, GatewayRef, Receipt
from notifications.receipts import apply_waiting
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import Running, start_campaign
from voting_portal.gateways.protocol import Report

pytestmark = pytest.mark.django_db
TONIGHT = timedelta(hours=2)


@pytest.fixture
def without_receipts(many_gateways, break_it):
    """Ten messages of which the gateway gave no answer, and that it can be asked about."""
    many_gateways["sms"]["dialect"] = "query"
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)
    campaign = start_campaign(meeting)
    break_it(drop=True)
    running = Running(campaign, campaign.batches.get())
    running.send()
    break_it()
    return running


def ask(hours):
    now = timezone.now() + timedelta(hours=hours)
    asked = reconciling.ask_gateway("sms", now=now)
    apply_waiting(now=now)
    return asked


def test_a_gateway_that_can_be_asked_settles_what_is_unknown(without_receipts, many_gateways):
    many_gateways["sms"]["known"] = {
        "15400000002": Report.DELIVERED,
        "15400000005": Report.FAILED,
    }

    assert ask(hours=2) == 10

    assert without_receipts.states() == {"UNKNOWN": 8, "DELIVERED": 1, "FAILED": 1}
    assert ask(hours=3) == 8


@pytest.mark.parametrize("hours", [0.5, 73])
def test_nobody_is_asked_too_early_or_after_three_days(without_receipts, hours):
    assert ask(hours=hours) == 0


def test_a_gateway_that_cannot_be_asked_is_left_alone(without_receipts, many_gateways):
    many_gateways["sms"]["dialect"] = "stand-in"

    assert ask(hours=2) == 0


def test_without_redis_nobody_is_asked(without_receipts, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    assert ask(hours=2) == 0


def test_what_is_unknown_for_three_days_is_over_and_nothing_follows(without_receipts):
    now = timezone.now()

    early = reconciling.expire_unknown(now=now + timedelta(hours=71))
    late = reconciling.expire_unknown(now=now + timedelta(hours=73))

    assert (early, late) == (0, 10)
    assert without_receipts.states() == {"EXPIRED": 10}
    assert without_receipts.deliveries[0].reason == "no receipt"
    assert not Delivery.objects.filter(is_next_due=True).exists()


def test_a_receipt_after_three_days_is_still_believed(without_receipts, many_gateways):
    now = timezone.now()
    many_gateways["sms"]["known"] = {"15400000002": Report.DELIVERED}
    ref = str(without_receipts.deliveries[1].pk)
    reconciling.expire_unknown(now=now + timedelta(hours=73))

    reconciling.receipts.take_lines(
        "sms", [reconciling.receipts.ReceiptLine(ref, Report.DELIVERED)], now=now
    )
    apply_waiting(now=now)

    assert without_receipts.states() == {"EXPIRED": 9, "DELIVERED": 1}


def test_what_only_served_to_match_receipts_is_thrown_away():
    now = timezone.now()
    for days in (1, 40):
        then = now - timedelta(days=days)
        GatewayRef.objects.create(gateway="sms", ref="1", delivery=days, made_at=then)
        GatewayCount.objects.create(gateway="sms", since=then)
        Capability.objects.create(
            gateway="rcs", phone_index=bytes([days]), is_able=True, asked_at=then
        )
        Receipt.objects.create(
            gateway="sms",
            digest=bytes([days]),
            lines=[],
            received_at=then,
            due_at=then,
            applied_at=then,
        )
    waiting = Receipt.objects.create(
        gateway="sms", digest=b"waiting", lines=[], received_at=now, due_at=now
    )

    tasks.reconcile()

    for model in (GatewayRef, GatewayCount, Capability):
        assert model.objects.count() == 1
    assert set(Receipt.objects.values_list("digest", flat=True)) == {b"\x01", b"waiting"}
    assert waiting.applied_at is None
