"""Quiet hours: when a message may leave, and when a campaign will be through."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction

from meetings.lifecycle import BEIJING
from meetings.models import Meeting
from notifications.hours import BadHours, check_hours, may_send, next_opening, through_at
from notifications.models import Campaign
from tests.factories import make_meeting

HOUR = 3_600


def at(day, hour, minute=0, second=0):
    return datetime(2026, 6, day, hour, minute, second, tzinfo=BEIJING)


@pytest.fixture
def campaign():
    """With the usual hours, 9:00 to 20:30."""
    return Campaign(meeting=Meeting(is_rehearsal=False))


@pytest.mark.parametrize(
    ("moment", "may"),
    [
        (at(1, 8, 59, 59), False),
        (at(1, 9), True),
        (at(1, 20, 29, 59), True),
        (at(1, 20, 30), False),
        (at(1, 0), False),
    ],
)
def test_messages_leave_from_nine_to_half_past_eight(campaign, moment, may):
    assert may_send(campaign, moment) is may


def test_the_clock_is_that_of_beijing_wherever_the_server_stands(campaign):
    assert may_send(campaign, datetime.fromisoformat("2026-06-01T01:00:00+00:00"))
    assert not may_send(campaign, datetime.fromisoformat("2026-06-01T13:00:00+00:00"))


def test_a_rehearsal_has_free_hours(campaign):
    campaign.meeting.is_rehearsal = True

    assert may_send(campaign, at(1, 3))


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        (at(1, 7), at(1, 9)),
        (at(1, 12), at(1, 12)),
        (at(1, 21), at(2, 9)),
        (at(1, 20, 30), at(2, 9)),
    ],
)
def test_a_campaign_at_night_goes_on_in_the_morning(campaign, moment, opening):
    assert next_opening(campaign, moment) == opening


@pytest.mark.parametrize(
    ("seconds", "moment", "end"),
    [
        (HOUR, at(1, 10), at(1, 11)),
        (HOUR, at(1, 7), at(1, 10)),
        (HOUR, at(1, 20), at(2, 9, 30)),
        (HOUR / 2, at(1, 20), at(1, 20, 30)),
        (12 * HOUR, at(1, 20), at(3, 9)),
        (12 * HOUR + 1, at(1, 20), at(3, 9, 0, 1)),
        (0, at(1, 22), at(2, 9)),
    ],
)
def test_nights_do_not_count_as_time_to_send(campaign, seconds, moment, end):
    # 11.5 hours a day: 12 from 20:00 take half an hour, a whole day, and end with it.
    expected = at(2, 20, 30) if seconds == 12 * HOUR else end

    assert through_at(campaign, seconds=seconds, now=moment) == expected


def test_a_rehearsal_goes_through_the_night(campaign):
    campaign.meeting.is_rehearsal = True

    assert through_at(campaign, seconds=12 * HOUR, now=at(1, 20)) == at(2, 8)


@pytest.mark.parametrize(
    ("since", "until"),
    [(time(7, 59), time(20)), (time(9), time(22, 1)), (time(12), time(12)), (time(15), time(9))],
)
def test_no_campaign_may_leave_the_decent_hours(db, since, until):
    campaign = Campaign(
        meeting=make_meeting(motions=False),
        number=0,
        plan=[],
        send_from=since,
        send_until=until,
        created_by="operator:1",
    )

    with pytest.raises(BadHours):
        check_hours(since, until)
    with pytest.raises(IntegrityError, match="campaign_at_decent_hours"), transaction.atomic():
        campaign.save()


def test_the_longest_day_is_from_eight_to_ten():
    check_hours(time(8), time(22))


def test_each_moment_up_to_the_end_is_inside_the_hours(campaign):
    now = at(1, 15)
    for hours in range(40):
        end = through_at(campaign, seconds=hours * HOUR, now=now)

        assert may_send(campaign, end - timedelta(seconds=1))
