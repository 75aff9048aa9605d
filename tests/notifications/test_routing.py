"""Channel plans: what can be planned, who takes what, and who begins where."""

from __future__ import annotations

from collections import Counter

import pytest
from django.utils import timezone

from meetings.models import Holder
from notifications import campaigns, routing
from notifications.carriers import CARRIERS, carrier_of
from notifications.models import Delivery, DeliveryBatch, GatewayHealth
from notifications.planning import plan_deliveries
from notifications.routing import Way
from notifications.wording import default_wording
from tests.factories import make_holder, make_holders, make_meeting
from tests.notifications.conftest import PLANNER, start_campaign
from voting_portal.checks import check_carriers

pytestmark = pytest.mark.django_db

TWO_STEPS = [
    [{"gateway": "rcs", "weight": 1}],
    [{"gateway": "sms", "weight": 3}, {"gateway": "sms-b", "weight": 1}],
]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (None, "1至8步"),
        ([], "1至8步"),
        ([[{"gateway": "sms"}]] * 9, "1至8步"),
        ([[]], "至少有一个通道"),
        (["sms"], "至少有一个通道"),
        ([["sms"]], "名称和1至100的权重"),
        ([[{"gateway": "sms", "weight": 0}]], "名称和1至100的权重"),
        ([[{"gateway": "sms", "weight": True}]], "名称和1至100的权重"),
        ([[{"weight": 1}]], "名称和1至100的权重"),
        ([[{"gateway": "pigeon"}]], "pigeon"),
        ([[{"gateway": "sms"}], [{"gateway": "sms"}]], "不止一次"),
        ([[{"gateway": "rcs"}, {"gateway": "sms"}]], "同一类"),
        ([[{"gateway": "mobile"}]], "所有运营商"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_in_words(many_gateways, plan, words):
    many_gateways["mobile"] = {**many_gateways["sms"], "carriers": ["MOBILE"]}
    meeting = make_meeting(motions=False)

    with pytest.raises(campaigns.CannotRoute, match=words):
        campaigns.plan_campaign(
            meeting.pk, wording=default_wording(), plan=plan, by=PLANNER, now=timezone.now()
        )

    assert not meeting.campaigns.exists()


def test_a_plan_reads_as_staff_would_say_it(many_gateways):
    assert routing.in_words(TWO_STEPS) == "rcs → sms×3 + sms-b×1"


@pytest.mark.parametrize(
    ("points", "turns"),
    [
        ({}, ["a", "a", "b", "a"]),
        ({"a": 0}, ["b"]),
        ({"a": 0, "b": 0}, ["a", "a", "b", "a"]),
        ({"a": 50}, ["a", "b", "a", "b", "a"]),
    ],
)
def test_batches_go_round_by_weight_and_health(points, turns):
    assert routing.turns([Way("a", 3), Way("b", 1)], points) == turns


def test_odd_shares_come_out_right_to_a_percent():
    turns = Counter(routing.turns([Way("a", 97), Way("b", 89)], {"a": 90}))

    assert turns["a"] / turns.total() == pytest.approx(97 * 90 / (97 * 90 + 89 * 100), abs=0.01)


def test_two_gateways_share_a_campaign_by_weight(many_gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 3_900)

    campaign = start_campaign(meeting, plan=[TWO_STEPS[1]])

    dealt = Counter(campaign.batches.values_list("gateway", flat=True))
    assert dealt == {"sms": 6, "sms-b": 2}
    assert campaign.planned == Delivery.objects.of_campaign(campaign).count() == 3_900


def test_a_gateway_that_is_eased_off_gets_less_from_the_beginning(many_gateways):
    GatewayHealth.objects.create(gateway="sms", points=0)
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)

    campaign = start_campaign(meeting, plan=[TWO_STEPS[1]])

    assert campaign.batches.get().gateway == "sms-b"


@pytest.mark.parametrize(
    ("phone", "carrier"),
    [
        *(("13800000000", "MOBILE"), ("18600000000", "UNICOM"), ("18900000000", "TELECOM")),
        *(("19200000000", "BROADNET"), ("17000000000", ""), ("15400000000", ""), ("", "")),
    ],
)
def test_the_first_digits_tell_the_carrier_or_nothing(phone, carrier):
    assert carrier_of(phone) == carrier
    assert carrier in {*CARRIERS, ""}


def test_each_holder_begins_with_the_step_that_serves_the_carrier(many_gateways):
    many_gateways["rcs"]["carriers"] = ["TELECOM", "UNICOM"]
    meeting = make_meeting(motions=False)
    phones = ["13800000001", "18600000002", "18900000003", "15400000004", "17000000005"]
    for phone in phones:
        make_holder(meeting, phone=phone)

    campaign = start_campaign(meeting, plan=TWO_STEPS)

    begun = {
        phones[delivery.holder_id % 2**28 - 1]: (delivery.batch.gateway, delivery.pk & 7)
        for delivery in Delivery.objects.of_campaign(campaign).select_related("batch")
    }
    assert begun == {
        "13800000001": ("sms", 1),
        "18600000002": ("rcs", 0),
        "18900000003": ("rcs", 0),
        "15400000004": ("sms", 1),
        "17000000005": ("sms", 1),
    }
    batches = DeliveryBatch.objects.filter(campaign=campaign).values_list("carrier", "step")
    assert sorted(batches) == [("", 1), ("MOBILE", 1), ("TELECOM", 0), ("UNICOM", 0)]


@pytest.mark.parametrize("carriers", ["MOBILE", [], ["MOBILE", "MOBIL"]])
def test_a_gateway_for_carriers_that_there_are_not_stops_every_command(many_gateways, carriers):
    many_gateways["rcs"]["carriers"] = carriers

    problems = check_carriers()

    assert [problem.id for problem in problems] == ["portal.E006"]
    assert "rcs" in problems[0].msg


def test_nobody_can_get_one_step_of_one_campaign_twice(many_gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)
    campaign = start_campaign(meeting)

    campaign.looked_at = 0
    again = plan_deliveries(campaign, now=timezone.now())

    assert again == 0
    assert Delivery.objects.of_campaign(campaign).count() == 10
    assert Holder.objects.of_meeting(meeting.pk).count() == 10
