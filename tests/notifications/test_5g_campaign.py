"""A campaign by 5G message, from the batch to signed receipts that come back over HTTP."""

from __future__ import annotations

import pytest
from django.utils import timezone

from notifications import dispatching, receipts
from notifications.models import Delivery
from tests.factories import make_holders, make_meeting
from tests.gateways.http_ways import BOT, KEY, until
from tests.notifications.conftest import start_campaign
from voting_portal.gateways import pacing
from voting_portal.gateways.simulator.carrier import is_reachable, shows_cards
from voting_portal.gateways.simulator.carriers import hire

HOLDERS = 30
PHONES = [f"154{number:08d}" for number in range(1, HOLDERS + 1)]


@pytest.fixture
def rcs(gateways, simulator, live_server, settings):
    """The gateway `rcs`; its carrier posts receipts to the portal under test."""
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
    return simulator


@pytest.mark.django_db(transaction=True)
def test_everybody_reached_gets_it_once_and_receipts_find_their_deliveries(rcs):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    campaign = start_campaign(meeting, gateway="rcs")

    for batch in campaign.batches.all():
        dispatching.send_batch(batch.pk, clock=timezone.now)
    until(_apply, seconds=20)

    reached = sorted(phone for phone in PHONES if is_reachable(phone))
    assert sorted(m.phone for m in rcs.inbox.read(limit=100)) == reached
    states = Delivery.objects.of_campaign(campaign).order_by("id").values_list("state", flat=True)
    for phone, state in zip(PHONES, states, strict=True):
        if is_reachable(phone) and shows_cards(phone):
            assert state >= Delivery.State.DELIVERED
        elif not is_reachable(phone):
            assert state == Delivery.State.FAILED


def _apply() -> bool:
    """Apply what came; whether the last word on everybody with cards, or out of reach, is there."""
    receipts.apply_waiting(now=timezone.now())
    expected = sum(shows_cards(phone) or not is_reachable(phone) for phone in PHONES)
    return Delivery.objects.filter(state__gte=Delivery.State.FAILED).count() >= expected
