"""Cancelling a campaign calls back what its gateways still can, in rounds that may die."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from notifications import campaigns, dispatching, planning, recalling, receipts, tasks
from notifications.models import Campaign, Delivery
from notifications.recalling import recall_progress
from tests.factories import make_holders, make_meeting, make_operator
from tests.gateways.http_ways import BOT, KEY, until
from tests.notifications.conftest import PLANNER, start_campaign
from voting_portal.gateways import pacing
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.carriers import hire

pytestmark = pytest.mark.django_db(transaction=True)
HOLDERS = 12
State = Delivery.State


@pytest.fixture
def carrier(gateways, simulator, live_server, settings):
    """The carrier of the gateway `rcs`, which can take messages back while it keeps them."""
    pacing.redis_client(settings.REDIS_URL).delete("token:rcs", "token-fetch:rcs")
    gateways["rcs"] = {
        **BOT,
        "dialect": "botmessage",
        "url": f"{simulator.url}/rcs",
        "receipt_key": KEY,
        "rate": 100_000,
    }
    simulator.others |= hire(
        gateways, simulator_url=simulator.url, portal=live_server.url, inbox=simulator.inbox
    )
    return simulator.others["rcs"]


@pytest.fixture(autouse=True)
def short_batches(monkeypatch):
    monkeypatch.setattr(planning, "BATCH_LENGTH", HOLDERS)


def send_some(carrier=None, *, gateway="rcs", kept=True, **words):
    """A running campaign; its first batch is with the carrier, which keeps it unless told else."""
    meeting = make_meeting(motions=False)
    make_holders(meeting, 2 * HOLDERS)
    campaign = start_campaign(meeting, gateway=gateway, **words)
    if carrier:
        carrier.faults = Faults(keep=kept, receipt_delay=0)
    dispatching.send_batch(first_of(campaign).get().pk, clock=timezone.now)
    return campaign


def first_of(campaign):
    return campaign.batches.filter(pk=campaign.batches.order_by("pk").first().pk)


def cancel(campaign):
    return campaigns.cancel_campaign(campaign.pk, by=PLANNER, now=timezone.now())


def recall():
    return recalling.recall_waiting(now=timezone.now(), seconds=10)


def apply(campaign):
    """Apply the receipts that came; the states and reasons of the campaign then."""
    receipts.apply_waiting(now=timezone.now())
    return list(deliveries_of(campaign).values_list("state", "reason").distinct())


def deliveries_of(campaign):
    """Those that left."""
    return Delivery.objects.of_campaign(campaign).exclude(state=State.SKIPPED)


def test_what_no_phone_has_yet_is_taken_back(carrier):
    campaign = send_some(carrier)

    cancel(campaign)
    assert not carrier.revoked  # the cancelling itself asks nobody
    recall()

    until(lambda: apply(campaign) == [(State.EXPIRED, "revoked")])
    assert recall_progress(campaign) == recalling.RecallProgress(
        batches=1, due=0, asked=HOLDERS, taken=HOLDERS, revoked=HOLDERS
    )


def test_what_has_arrived_stays_delivered_and_is_not_asked_for(carrier):
    campaign = send_some(carrier, kept=False)
    deliveries = deliveries_of(campaign).exclude(state=State.QUEUED)
    until(lambda: apply(campaign) and not deliveries.filter(state=State.ACCEPTED).exists())
    as_sms = deliveries.filter(state=State.NETWORK).count()  # may still be on its way

    cancel(campaign)
    recall()

    assert deliveries.filter(state=State.DISPLAYED).exists()
    assert recall_progress(campaign) == recalling.RecallProgress(
        batches=1, due=0, asked=as_sms, taken=as_sms, revoked=0
    )


def test_a_gateway_that_takes_nothing_back_is_asked_nothing(gateways):
    campaign = send_some(gateway="sms")

    cancel(campaign)
    is_any_left = recall()

    assert not is_any_left
    assert recall_progress(campaign) is None


def test_a_round_that_met_no_carrier_leaves_the_batch_to_the_next(carrier, gateways):
    campaign = send_some(carrier)
    cancel(campaign)
    right = gateways["rcs"]["url"]
    gateways["rcs"]["url"] = "http://127.0.0.1:9"

    recall()
    stood = recall_progress(campaign)
    gateways["rcs"]["url"] = right
    recall()

    assert (stood.due, stood.asked) == (1, 0)
    assert (recall_progress(campaign).due, len(carrier.revoked)) == (0, HOLDERS)


def test_a_batch_still_being_sent_is_called_back_when_it_is_through(carrier):
    campaign = send_some(carrier)
    batch = first_of(campaign)
    batch.update(state="LEASED", lease_until=timezone.now() + timedelta(minutes=5))
    cancel(campaign)

    recall()
    assert not carrier.revoked
    batch.update(state="DONE")
    recall()

    assert len(carrier.revoked) == HOLDERS


def test_of_a_reminder_nothing_is_told_that_tells_who_voted(carrier):
    campaign = send_some(carrier, kind=Campaign.Kind.REMINDER)

    cancel(campaign)
    recall()

    progress = recall_progress(campaign)
    assert len(carrier.revoked) == HOLDERS
    assert (progress.batches, progress.due) == (1, 0)
    assert (progress.asked, progress.taken, progress.refused, progress.revoked) == (None,) * 4


def test_the_page_says_how_far_it_has_come(carrier, client):
    client.force_login(make_operator())
    campaign = send_some(carrier)
    cancel(campaign)
    page = reverse("admin:notifications_campaign_change", args=[campaign.pk])

    before = client.get(page).text
    tasks.recall()
    after = client.get(page).text

    assert "还有 1 / 1 批" in before
    assert f"请求 {HOLDERS} 条：通道受理 {HOLDERS}，拒绝 0" in after
