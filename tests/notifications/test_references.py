"""Receipts that name messages in the gateway's own way: by its refs, by phone, part by part."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, transaction
from django.utils import timezone

from meetings.models import MeetingKey
from notifications import dispatching, outcomes
from notifications.models import Delivery, GatewayRef, Receipt
from notifications.receipts import apply_waiting, take_lines
from notifications.references import Line, find_deliveries
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import Running, start_campaign
from voting_portal.gateways import Outcome, Result
from voting_portal.gateways.protocol import ReceiptLine, Report

pytestmark = pytest.mark.django_db
PHONE = "15400000003"


@pytest.fixture
def sent(many_gateways):
    """A campaign to five holders whose gateway names each message in `parts` parts."""

    def send(*, parts):
        many_gateways["sms"]["parts"] = parts
        meeting = make_meeting(motions=False)
        make_holders(meeting, 5)
        campaign = start_campaign(meeting)
        running = Running(campaign, campaign.batches.get())
        running.send()
        return running

    return send


def tell(gateway_ref, report=Report.DELIVERED, *, phone="", now=None, gateway="sms"):
    """A receipt by the gateway's ref and perhaps the phone, applied; what is kept of it."""
    now = now or timezone.now()
    line = ReceiptLine("", report, "code", gateway_ref=gateway_ref, phone=phone)
    take_lines(gateway, [line], now=now)
    apply_waiting(now=now)
    return Receipt.objects.order_by("-id")[0]


def state(running, index=3):
    return Delivery.State(running.deliveries[index - 1].state).name


def test_a_receipt_by_the_gateways_own_ref_finds_its_message(sent):
    running = sent(parts=1)

    receipt = tell(f"{PHONE}-0")

    assert running.states() == {"ACCEPTED": 4, "DELIVERED": 1}
    assert state(running) == "DELIVERED"
    assert receipt.applied_at is not None


def test_another_gateways_ref_of_the_same_name_is_another(sent):
    running = sent(parts=1)

    receipt = tell(f"{PHONE}-0", gateway="rcs")

    assert running.states() == {"ACCEPTED": 5}
    assert receipt.matched == 0


def test_a_long_message_has_arrived_when_all_its_parts_have(sent):
    running = sent(parts=3)

    seen = []
    for part in (2, 0, 1):
        tell(f"{PHONE}-{part}")
        seen.append(state(running))

    assert seen == ["ACCEPTED", "ACCEPTED", "DELIVERED"]


def test_a_long_message_is_as_far_as_its_slowest_part(sent):
    running = sent(parts=2)
    tell(f"{PHONE}-0", Report.DISPLAYED)

    tell(f"{PHONE}-1", Report.NETWORK)

    assert state(running) == "NETWORK"


def test_a_long_message_has_failed_as_soon_as_a_part_has(sent):
    running = sent(parts=2)
    tell(f"{PHONE}-0")

    tell(f"{PHONE}-1", Report.FAILED)

    assert state(running) == "FAILED"


def test_parts_that_arrive_after_a_failure_was_said_count_over_it(sent):
    running = sent(parts=2)

    for part, report in ((1, Report.FAILED), (0, Report.DELIVERED), (1, Report.DELIVERED)):
        tell(f"{PHONE}-{part}", report)

    assert state(running) == "DELIVERED"


def test_a_repeated_part_is_no_second_part(sent):
    running = sent(parts=2)
    now = timezone.now()

    for seconds in (0, 1):
        tell(f"{PHONE}-0", now=now + timedelta(seconds=seconds))

    assert state(running) == "ACCEPTED"


def test_of_one_ref_for_many_the_phone_tells_which(sent):
    running = sent(parts=0)
    for delivery in running.deliveries:
        GatewayRef.objects.create(
            gateway="sms", ref="batch-7", delivery=delivery.pk, made_at=timezone.now()
        )

    tell("batch-7", phone=PHONE)
    without_phone = tell("batch-7")

    assert running.states() == {"ACCEPTED": 4, "DELIVERED": 1}
    assert state(running) == "DELIVERED"
    assert without_phone.matched == 0


def test_a_receipt_about_another_phone_is_not_believed(sent):
    running = sent(parts=1)

    receipt = tell(f"{PHONE}-0", phone="15400000004")

    assert running.states() == {"ACCEPTED": 5}
    assert receipt.matched == 0


def test_a_phone_in_a_receipt_is_sealed_and_goes_when_it_has_served(sent):
    sent(parts=1)
    line = ReceiptLine("", Report.DELIVERED, gateway_ref="not yet", phone=PHONE)
    take_lines("sms", [line], now=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(r)::text FROM notifications_receipt AS r")
        (kept,) = cursor.fetchone()
    apply_waiting(now=timezone.now() + timedelta(minutes=11))

    assert PHONE not in kept
    assert PHONE.encode().hex() not in kept
    assert Receipt.objects.get().phones is None


def test_a_receipt_that_beats_the_note_of_its_ref_is_tried_again(running):
    claim, delivery = running.claim(), running.deliveries[0]
    now = timezone.now()
    outcomes.mark_sending(claim, [delivery.pk], now=now)
    early = tell("early", now=now)
    result = Result(str(delivery.pk), Outcome.ACCEPTED, gateway_ref="early", refs=("early",))

    outcomes.write_results(claim, [result], now=now)
    apply_waiting(now=now + timedelta(minutes=1))

    assert early.applied_at is None
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.DELIVERED


def test_with_the_keys_of_the_meeting_gone_no_phone_is_matched(sent, monkeypatch):
    running = sent(parts=1)
    monkeypatch.setattr("meetings.keys._remembered", {})
    MeetingKey.objects.filter(meeting=running.campaign.meeting_id).delete()

    receipt = tell(f"{PHONE}-0", phone=PHONE)

    assert receipt.matched == 0
    assert running.states() == {"ACCEPTED": 5}


def test_sending_again_after_a_failure_counts_the_last_parts(sent):
    running = sent(parts=2)
    tell(f"{PHONE}-1", Report.UNREACHED)
    delivery = running.deliveries[2]
    Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.QUEUED)
    running.campaign.batches.update(state="READY")
    type(running.campaign).objects.update(state="RUNNING")
    for row in GatewayRef.objects.filter(delivery=delivery.pk):
        GatewayRef.objects.filter(pk=row.pk).update(ref=f"first-{row.part}")
    dispatching.send_batch(running.batch.pk, clock=timezone.now)

    for part in (0, 1):
        tell(f"{PHONE}-{part}")

    assert state(running) == "DELIVERED"


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_that_note_the_last_two_parts_one_sees_the_whole(sent):
    delivery = sent(parts=2).deliveries[2].pk
    is_noted = Event()

    def note(part):
        line = Line("sms", 0, f"{PHONE}-{part}", "", Delivery.State.DELIVERED, "")
        try:
            with transaction.atomic():
                if part == 1:
                    assert is_noted.wait(timeout=30)
                (word,) = find_deliveries([line]).values()
                if part == 0:
                    is_noted.set()
                    time.sleep(0.5)  # the other comes before this one commits
                return word
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        words = list(pool.map(note, range(2)))

    assert {word.delivery for word in words} == {delivery}
    assert [word.state for word in words] == [Delivery.State.SENDING, Delivery.State.DELIVERED]
