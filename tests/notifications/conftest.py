"""Campaigns that are ready to go, over the simulator of the gateways' tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from django.utils import timezone

import voting_portal.gateways
from notifications import campaigns, claims, dispatching
from notifications.models import Campaign, Delivery, DeliveryBatch
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holders, make_meeting
from tests.gateways.conftest import (  # noqa: F401
    SECRET,
    Portal,
    break_it,
    portal,
    serving,
    simulator,
)
from tests.notifications.processes import (  # noqa: F401
    carrier,
    processes,
    start_worker,
    surroundings,
)
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.protocol import Kind, ReceiptLine

PLANNER, APPROVER = "operator:1", "operator:2"


@pytest.fixture
def gateways(settings, simulator):  # noqa: F811
    """The settings' gateways: `sms` leads to the simulator, ten messages in one request."""
    settings.GATEWAYS = {
        "sms": {
            "dialect": "http_batch",
            "url": simulator.url,
            "secret": SECRET,
            "rate": 100_000,
            "batch_size": 10,
        }
    }
    return settings.GATEWAYS


class StandIn(HttpBatchGateway):
    """The simulator, reached by a gateway that can what the portal's own dialect cannot.

    Options: `kind`, `parts` (names of its own for so many parts), `unable` (phones that do not show
    its messages) and `known` (what it says when asked: a Report by the phone).
    """

    lookup_size, lookup_rate = 4, 1_000.0

    def __init__(self, name, options):
        super().__init__(name, options)
        self.kind = Kind(options.get("kind", "sms"))
        self.parts = options.get("parts", 0)
        self.unable, self.known = options.get("unable", ()), options.get("known", {})

    def send(self, messages):
        names = [tuple(f"{m.phone}-{part}" for part in range(self.parts)) for m in messages]
        results = super().send(messages)
        return [replace(result, refs=refs) for result, refs in zip(results, names, strict=True)]


class StandInLookUp(StandIn):
    asked = []

    def supports(self, phones):
        self.asked.append(list(phones))
        return {phone: phone not in self.unable for phone in phones}


class StandInQuery(StandIn):
    def query(self, handed):
        return [ReceiptLine(h.ref, self.known[h.phone]) for h in handed if h.phone in self.known]


@pytest.fixture
def many_gateways(gateways, monkeypatch):
    """Gateways by name, each a stand-in that leads to the simulator: rcs, sms, sms-b."""
    dialects = {"stand-in": StandIn, "look-up": StandInLookUp, "query": StandInQuery}
    for dialect, made in dialects.items():
        monkeypatch.setitem(voting_portal.gateways.DIALECTS, dialect, made)
    monkeypatch.setattr(StandInLookUp, "asked", [])
    common = {**gateways["sms"], "dialect": "stand-in"}
    for name, kind in (("sms", "sms"), ("sms-b", "sms"), ("rcs", "rcs")):
        gateways[name] = {**common, "kind": kind}
    return gateways


def start_campaign(meeting, *, gateway="sms", **words):
    now = timezone.now()
    campaign = campaigns.plan_campaign(
        meeting.pk,
        **{"wording": default_wording(), "plan": plan_of(gateway), **words},
        by=PLANNER,
        now=now,
    )
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=now)
    return campaigns.start_campaign(campaign.pk, by=PLANNER, now=now)


@dataclass
class Running:
    """A running campaign to 30 holders in one batch."""

    campaign: Campaign
    batch: DeliveryBatch

    def send(self):
        dispatching.send_batch(self.batch.pk, clock=timezone.now)

    def claim(self):
        claim = claims.claim_batch(self.batch.pk, now=timezone.now())
        assert claim is not None
        return claim

    @property
    def deliveries(self):
        return Delivery.objects.of_campaign(self.campaign).order_by("id")

    def states(self):
        """How many deliveries are in each state, by its name."""
        found = {}
        for state in self.deliveries.values_list("state", flat=True):
            name = Delivery.State(state).name
            found[name] = found.get(name, 0) + 1
        return found

    def refresh(self):
        self.campaign.refresh_from_db()
        self.batch.refresh_from_db()
        return self


@pytest.fixture
def running(db, gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 30)
    campaign = start_campaign(meeting)
    return Running(campaign, campaign.batches.get())
