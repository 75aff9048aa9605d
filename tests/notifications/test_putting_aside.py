"""One gateway with wrong settings, or whose account is refused, is put aside; the others go on."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from notifications import claims, dispatching, planning, reconciling, routing
from notifications.models import Campaign, Delivery, GatewayHealth
from tests.factories import make_holders, make_meeting, make_operator
from tests.notifications.conftest import start_campaign

pytestmark = pytest.mark.django_db
HOLDERS = 12
BOTH = [[{"gateway": "sms", "weight": 1}, {"gateway": "sms-b", "weight": 1}]]


@pytest.fixture
def campaign(many_gateways, monkeypatch):
    """To twelve holders in four batches, by sms and sms-b in turns."""
    monkeypatch.setattr(planning, "BATCH_LENGTH", 3)
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    return start_campaign(meeting, plan=BOTH)


def spoil(gateways, name):
    """What a slip of the pen does to the settings."""
    del gateways[name]["url"]


def send_all(campaign):
    """The rounds of the beat, each followed by its workers, until nothing is rung for."""
    for _round in range(5):
        for batch in claims.next_round(already_rung=0, at_most=100, now=timezone.now()):
            dispatching.send_batch(batch, clock=timezone.now)
    campaign.refresh_from_db()


def accepted(campaign):
    return Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.ACCEPTED).count()


def page_of(client, campaign):
    client.force_login(make_operator())
    return client.get(reverse("admin:notifications_campaign_change", args=[campaign.pk])).text


def test_a_gateway_with_wrong_settings_leaves_its_batches_to_its_neighbour(
    campaign, many_gateways, client
):
    spoil(many_gateways, "sms-b")

    send_all(campaign)

    assert accepted(campaign) == HOLDERS
    assert campaign.state == Campaign.State.DONE


def test_the_page_says_which_gateway_is_put_aside(campaign, many_gateways, client):
    spoil(many_gateways, "sms-b")

    assert "通道“sms-b”的设置有误或已被删除，已停用" in page_of(client, campaign)


def test_without_a_neighbour_its_messages_wait_and_others_go_on(many_gateways):
    alone, other = (make_meeting(motions=False) for _ in range(2))
    for meeting in (alone, other):
        make_holders(meeting, 3)
    waiting = start_campaign(alone, gateway="rcs")
    going = start_campaign(other, gateway="sms")
    spoil(many_gateways, "rcs")

    send_all(going)
    waiting.refresh_from_db()

    assert accepted(going) == 3
    assert (waiting.state, accepted(waiting)) == (Campaign.State.RUNNING, 0)
    assert waiting.batches.get().state == "READY"


def test_a_gateway_that_refuses_our_account_is_put_aside_and_the_campaign_goes_on(
    campaign, many_gateways, client
):
    many_gateways["sms-b"]["secret"] = "an old one"

    send_all(campaign)

    health = GatewayHealth.objects.get(pk="sms-b")
    assert (health.points, health.reason) == (0, "通道拒绝了请求（HTTP 401），请检查通道设置。")
    begun = campaign.batches.filter(gateway="sms-b").count()
    assert accepted(campaign) == HOLDERS - 3 * begun
    assert (campaign.state, begun) == (Campaign.State.RUNNING, 1)
    assert "通道“sms-b”已降至0%的份额：通道拒绝了请求（HTTP 401）" in page_of(client, campaign)


def test_the_only_gateway_that_refuses_our_account_pauses_the_campaign(running, gateways):
    gateways["sms"]["secret"] = "an old one"

    running.send()

    running.refresh()
    assert running.campaign.state == Campaign.State.PAUSED
    assert running.campaign.pause_reason.startswith("通道拒绝了请求")


def test_nobody_plans_with_a_gateway_that_cannot_work(many_gateways, client):
    spoil(many_gateways, "sms-b")

    with pytest.raises(routing.BadPlan, match="通道“sms-b”的设置有误"):
        routing.check_plan(BOTH)

    client.force_login(make_operator())
    form = client.get(reverse("admin:notifications_campaign_add")).text
    assert ("plan-sms-step" in form, "plan-sms-b-step" in form) == (True, False)


def test_the_nightly_round_passes_over_it(many_gateways, db):
    spoil(many_gateways, "sms-b")

    reconciling.reconcile(now=timezone.now())

    assert not GatewayHealth.objects.exists()
