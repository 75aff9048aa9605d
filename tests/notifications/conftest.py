"""Campaigns that are ready to go, over the simulator of the gateways' tests."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.utils import timezone

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
