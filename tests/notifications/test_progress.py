"""What staff see of a campaign on its way: by state, by hour, by reason, and when it is through."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from meetings.lifecycle import BEIJING
from notifications import charts
from notifications.models import Delivery
from notifications.progress import progress, through_at
from tests.factories import make_operator

State = Delivery.State
EARLY = datetime(2026, 6, 26, 9, 59, 59, tzinfo=BEIJING)
LATE = datetime(2026, 6, 26, 10, 0, tzinfo=BEIJING)


def tell(running, places, state, at, reason=""):
    """Some of the deliveries, by their places, came into a state then."""
    chosen = [delivery.pk for delivery in running.deliveries][places]
    Delivery.objects.filter(pk__in=chosen).update(state=state, reason=reason, changed_at=at)


@pytest.fixture
def told(running):
    tell(running, slice(0, 6), State.DELIVERED, EARLY)
    tell(running, slice(6, 8), State.FAILED, EARLY, "MK:0001")
    tell(running, slice(8, 11), State.ACCEPTED, LATE)
    tell(running, slice(11, 12), State.UNKNOWN, LATE, "unreadable answer")
    return running


@pytest.fixture
def page(told, client):
    client.force_login(make_operator())
    return client.get(reverse("admin:notifications_campaign_change", args=[told.campaign.pk])).text


def test_each_hour_of_beijing_says_what_its_deliveries_came_to(told):
    hours = progress(told.campaign, now=timezone.now()).by_hour

    assert [
        (
            hour.begins_at.astimezone(BEIJING).hour,
            hour.arrived,
            hour.handed,
            hour.failed,
            hour.unknown,
        )
        for hour in hours
    ] == [(9, 6, 0, 2, 0), (10, 0, 3, 0, 1)]


def test_the_tallest_column_fills_the_chart_and_each_part_has_its_share(told):
    drawn = charts.columns(progress(told.campaign, now=timezone.now()).by_hour)

    heights = re.findall(r'portal-part-(\w+)" [^>]*height="([\d.]+)"', drawn)
    assert [(name, float(height)) for name, height in heights if float(height)] == [
        ("arrived", 90.0),  # six of eight
        ("failed", 30.0),
        ("handed", 45.0),  # three of eight
        ("unknown", 15.0),
    ]
    assert re.findall(r"<text[^>]*>(\d+)</text>", drawn) == ["09", "10"]


def test_the_page_says_the_same_in_a_table_with_the_time_of_the_last_change(page):
    said = re.sub(r"<[^>]+>|\s+", " ", page)

    assert re.search(r"06-26 09:00\s+6\s+0\s+2\s+0", said)
    assert re.search(r"06-26 10:00\s+0\s+3\s+0\s+1", said)
    assert re.search(r"已送达\s+6\s+2026-06-26 09:59:59", said)
    assert re.search(r"结果不明\s+1\s+2026-06-26 10:00:00", said)


def test_an_answer_that_could_not_be_read_is_said_in_words(page):
    assert "通道的应答无法读取" in page


def test_rate_and_end_follow_from_the_last_five_minutes(running):
    now = datetime(2026, 6, 26, 12, 0, tzinfo=BEIJING)
    Delivery.objects.of_campaign(running.campaign).update(changed_at=now - timedelta(hours=1))
    tell(running, slice(0, 15), State.ACCEPTED, now - timedelta(minutes=4))

    figures = progress(running.campaign, now=now)

    assert figures.rate == 15 / 300
    assert through_at(running.campaign, figures, now=now) == now + timedelta(minutes=5)
