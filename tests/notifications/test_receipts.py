"""Receipts over HTTP: signed or nothing, any number, any order, upwards only."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from notifications import dispatching, outcomes
from notifications.models import Delivery, Receipt
from notifications.receipts import apply_waiting
from tests.gateways.conftest import SECRET
from voting_portal.common import ids
from voting_portal.gateways.signing import signed_headers

pytestmark = pytest.mark.django_db
State = Delivery.State


@pytest.fixture
def post(client, running):
    """Post lines of `(delivery or ref, status, code)` as the carrier would."""

    def post_receipt(*lines, secret=SECRET, name="sms"):
        items = [{"id": str(ref), "status": status, "code": code} for ref, status, code in lines]
        body = json.dumps(items).encode()
        headers = signed_headers(secret, body, now=timezone.now())
        url = reverse("notifications:receipts", args=[name])
        return client.post(url, body, content_type="application/json", headers=headers)

    return post_receipt


def handed_over(running):
    running.send()
    return running.deliveries[0]


def test_a_receipt_tells_what_became_of_a_message(running, post):
    handed_over(running)
    first, second = running.deliveries[:2]

    response = post((first.pk, "delivered", ""), (second.pk, "failed", "MK:0001"))
    apply_waiting(now=timezone.now())

    assert response.status_code == 204
    found = running.deliveries.values_list("state", "reason")[:2]
    assert list(found) == [(State.DELIVERED, ""), (State.FAILED, "MK:0001")]
    receipt = Receipt.objects.get()
    assert receipt.matched == 2
    assert receipt.applied_at is not None


def test_a_repeated_receipt_is_one(running, post):
    delivery = handed_over(running)

    answers = [post((delivery.pk, "delivered", "")).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert Receipt.objects.count() == 1


def test_a_late_lower_receipt_does_not_lower_the_state(running, post):
    delivery = handed_over(running)
    post((delivery.pk, "delivered", ""))
    apply_waiting(now=timezone.now())

    post((delivery.pk, "failed", "LATE"))
    apply_waiting(now=timezone.now())

    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == (State.DELIVERED, "")


def test_delivered_counts_over_failed_when_both_come(running, post):
    delivery = handed_over(running)

    post((delivery.pk, "delivered", ""), (delivery.pk, "failed", "MK:0001"))
    apply_waiting(now=timezone.now())

    delivery.refresh_from_db()
    assert delivery.state == State.DELIVERED


def test_a_receipt_may_come_before_the_answer_to_the_request(running, post):
    claim, delivery = running.claim(), running.deliveries[0]
    outcomes.mark_sending(claim, [delivery.pk], now=timezone.now())

    post((delivery.pk, "delivered", ""))
    apply_waiting(now=timezone.now())
    outcomes.write_results(
        claim,
        [dispatching.Result(str(delivery.pk), dispatching.Outcome.ACCEPTED, gateway_ref="7")],
        now=timezone.now(),
    )

    delivery.refresh_from_db()
    assert (delivery.state, delivery.gateway_ref) == (State.DELIVERED, "7")


def test_a_receipt_settles_what_was_unknown(running, post, break_it):
    break_it(drop=True)
    delivery = handed_over(running)

    post((delivery.pk, "delivered", ""))
    apply_waiting(now=timezone.now())

    assert running.states() == {"DELIVERED": 1, "UNKNOWN": 29}


def test_a_receipt_for_a_message_that_never_left_changes_nothing(running, post):
    delivery = running.deliveries[0]

    post((delivery.pk, "delivered", ""))
    apply_waiting(now=timezone.now())

    assert running.states() == {"QUEUED": 30}


def test_a_receipt_without_a_delivery_is_tried_again_for_ten_minutes(running, post):
    nobody = ids.delivery_id(ids.holder_id(running.campaign.meeting_id, 9_999), 0, 0)
    post((nobody, "delivered", ""))
    came = Receipt.objects.get().received_at

    looked_at = [
        apply_waiting(now=came + timedelta(minutes=minutes)) for minutes in (0, 0.1, 1, 10, 11)
    ]

    receipt = Receipt.objects.get()
    assert looked_at == [1, 0, 1, 1, 0]
    assert receipt.matched == 0
    assert receipt.applied_at == came + timedelta(minutes=10)


@pytest.mark.parametrize("ref", ["code-17", "0", "-1", "9" * 19, "9" * 40, "²", ""])
def test_a_receipt_of_something_else_is_settled_at_once(running, post, ref):
    post((ref, "delivered", ""))

    apply_waiting(now=timezone.now())

    assert Receipt.objects.get().applied_at is not None
    assert running.states() == {"QUEUED": 30}


def test_another_gateway_cannot_speak_for_this_one(running, post, gateways):
    gateways["other"] = gateways["sms"]
    delivery = handed_over(running)

    assert post((delivery.pk, "delivered", ""), name="other").status_code == 204
    apply_waiting(now=timezone.now())

    assert running.states() == {"ACCEPTED": 30}


@pytest.mark.parametrize("words", [{"secret": "a guess"}, {"name": "pigeon"}])
def test_a_forged_receipt_finds_nothing_here(running, post, words):
    delivery = handed_over(running)

    response = post((delivery.pk, "delivered", ""), **words)

    assert response.status_code == 404
    assert not Receipt.objects.exists()
    assert running.states() == {"ACCEPTED": 30}


def test_a_receipt_that_is_fetched_without_a_mac_finds_nothing(client):
    assert client.get(reverse("notifications:receipts", args=["sms"])).status_code == 404


def test_a_body_over_a_megabyte_is_refused_unread(client, gateways):
    url = reverse("notifications:receipts", args=["sms"])

    response = client.post(url, b"x" * 1_000_001, content_type="application/json")

    assert response.status_code == 413
    assert not Receipt.objects.exists()
