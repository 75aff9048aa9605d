"""What a campaign would do, as its approver reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from meetings.lifecycle import BEIJING
from notifications import campaigns
from notifications.preview import through_at
from notifications.wording import compose
from tests.factories import make_holder, make_holders, make_meeting

pytestmark = pytest.mark.django_db
SHORT = "【上证信息】{股东}{简称}开会 {链接} "


@pytest.fixture
def gateways(gateways, settings):
    settings.PUBLIC_URL = "https://vote.example"
    gateways["sms"] |= {"price": "0.05", "rate": 10}
    gateways["codes"] = {**gateways["sms"], "link_mode": "code", "rate": 5}
    return gateways


def plan(meeting, *ways, **fields):
    defaults = {
        "plan": [[{"gateway": gateway, "weight": 1} for gateway in ways or ("sms",)]],
        "wording": SHORT,
        "code_wording": "【上证信息】{简称}开会,投票码{投票码},登录 {网址}",
    }
    return campaigns.plan_campaign(
        meeting.pk, **{**defaults, **fields}, by="operator:1", now=timezone.now()
    )


def test_each_channel_says_how_many_how_long_and_at_what_price(gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1_000)

    channels = plan(meeting, "sms", "codes").preview["channels"]

    assert [(c["gateway"], c["messages"]) for c in channels] == [("codes", 500), ("sms", 500)]
    assert [c["segments"] for c in channels] == [{"1": 500}, {"1": 500}]
    assert [c["price"] for c in channels] == ["25.00", "25.00"]
    assert [c["seconds"] for c in channels] == [100, 50]


def test_segments_are_counted_holder_by_holder_in_utf_16(gateways):
    meeting = make_meeting(motions=False)
    long_enough = "字" * (70 - compose(SHORT, meeting).units(3))
    make_holder(meeting, name="张小三")
    make_holder(meeting, name="𠮷小三")  # a character of two units

    preview = plan(meeting, wording=SHORT.replace("开会", f"开会{long_enough}")).preview

    (channel,) = preview["channels"]
    assert channel["segments"] == {"1": 1, "2": 1}
    assert channel["units"] == 71
    assert channel["price"] == "0.15"


def test_the_first_holders_messages_are_shown_without_their_links(gateways):
    meeting = make_meeting(motions=False)
    for name in ("张小三", "李小四", "王小五", "赵小六"):
        make_holder(meeting, name=name)

    samples = plan(meeting).preview["samples"]

    assert [sample[6:9] for sample in samples] == ["张*三", "李*四", "王*五"]
    assert all("/v/" + "•" * 25 in sample for sample in samples)


def test_without_a_price_none_is_made_up(gateways):
    del gateways["sms"]["price"]
    meeting = make_meeting(motions=False)
    make_holders(meeting, 1)

    assert plan(meeting).preview["channels"][0]["price"] is None


def test_the_slowest_channel_says_when_all_is_out(gateways):
    meeting = make_meeting(motions=False, is_rehearsal=False)
    make_holders(meeting, 1_000)
    campaign = plan(meeting, "sms", "codes")
    evening = datetime(2026, 6, 1, 20, 29, tzinfo=BEIJING)

    by_day = through_at(campaign, now=evening - timedelta(hours=3))
    over_night = through_at(campaign, now=evening)

    assert by_day == evening - timedelta(hours=3) + timedelta(seconds=100)
    assert over_night == datetime(2026, 6, 2, 9, 0, 40, tzinfo=BEIJING)


def test_what_was_approved_does_not_change_with_the_settings(gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10)
    campaign = plan(meeting)
    gateways["sms"]["price"] = "9.99"

    campaign.refresh_from_db()

    assert campaign.preview["channels"][0]["price"] == "0.50"
