"""Kannel before node-smpp: what we post to it comes out there, and its reports come back to us."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from django.utils import timezone

from notifications import campaigns, dispatching, receipts
from notifications.models import Delivery, Receipt
from notifications.routing import plan_of
from notifications.wording import compose, default_wording, segments
from tests.factories import make_holders, make_meeting
from voting_portal.gateways import Message, Outcome, pacing
from voting_portal.gateways.kannel import KannelGateway

HOLDERS = 30


def options_of(kannel, portal="http://127.0.0.1:9", **others):
    return {
        "dialect": "kannel",
        "url": kannel,
        "username": "vote",
        "password": "pw",
        "secret": "of the tests",
        "receipts_url": f"{portal}/gateway/kannel/receipts",
        "src_id": "10690001",
        "rate": 1_000,
        **others,
    }


def wording_as_sent(campaign):
    return compose(campaign.wording, campaign.meeting).sample()


@pytest.mark.django_db(transaction=True)
def test_a_campaign_goes_through_and_its_receipts_come_back_over_http(
    kannel, smsc, live_server, settings
):
    settings.GATEWAYS = {"kannel": options_of(kannel, live_server.url)}
    pacing.redis_client(settings.REDIS_URL).delete("pace:kannel")
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, HOLDERS)
    # Of the numbers three are throttled for ever, three unknown, and one is not reached.
    plan, wording = plan_of("kannel"), default_wording()
    campaign = campaigns.plan_campaign(
        meeting.pk, wording=wording, plan=plan, by="operator:1", now=now
    )
    campaigns.approve_campaign(campaign.pk, by="operator:2", now=now)
    campaigns.start_campaign(campaign.pk, by="operator:1", now=now)

    dispatching.send_batch(campaign.batches.get().pk, clock=timezone.now)

    expected = {Delivery.State.DELIVERED: 23, Delivery.State.FAILED: 4}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        receipts.apply_waiting(now=timezone.now())
        states = Counter(Delivery.objects.of_campaign(campaign).values_list("state", flat=True))
        if all(states[state] == number for state, number in expected.items()):
            break
        time.sleep(0.1)
    assert {state: states[state] for state in expected} == expected
    assert Receipt.objects.exists()
    taken = smsc.take(24 * segments(wording_as_sent(campaign)))
    assert len({part["to"] for part in taken}) == 24
    assert sum(part["text"].startswith("【上证信息】") for part in taken) == 24


def test_a_long_message_arrives_whole(kannel, smsc):
    text = "【上证信息】" + "您持有的虚构一股东会" * 20

    (result,) = KannelGateway("kannel", options_of(kannel)).send(
        [Message("1", "15400000001", text)]
    )

    assert result.outcome is Outcome.ACCEPTED
    parts = smsc.take(4)
    assert "".join(part["text"] for part in sorted(parts, key=lambda p: p["udh"])) == text


def test_an_account_that_it_does_not_know_is_our_own_fault(kannel):
    gateway = KannelGateway("kannel", options_of(kannel, password="wrong"))

    (result,) = gateway.send([Message("1", "15400000001", "x")])

    assert result.outcome is Outcome.MISCONFIGURED


def test_a_number_that_cannot_be_is_not_handed_over(kannel):
    (result,) = KannelGateway("kannel", options_of(kannel)).send([Message("1", "none", "x")])

    assert (result.outcome, result.reason) == (Outcome.REJECTED, "BAD_NUMBER")
