"""Quiet hours (免打扰时段): when a campaign may send, and when it will be through.

By default from 9:00 to 20:30 Beijing time; never before 8:00 or after 22:00, whatever a campaign
says. A rehearsal has free hours.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from meetings.lifecycle import BEIJING
from notifications.models.campaign import BAD_HOURS, Campaign
from voting_portal.common.refusals import Refusal

EARLIEST, LATEST = time(8), time(22)
DAY = timedelta(days=1)


class BadHours(Refusal):
    message = BAD_HOURS


def check_hours(since: time, until: time) -> None:
    """BadHours unless a campaign may be sent between the two."""
    if not EARLIEST <= since < until <= LATEST:
        raise BadHours


def may_send(campaign: Campaign, now: datetime) -> bool:
    """Whether a message may leave now; `campaign` comes with its meeting."""
    clock = now.astimezone(BEIJING).time()
    return campaign.meeting.is_rehearsal or campaign.send_from <= clock < campaign.send_until


def next_opening(campaign: Campaign, now: datetime) -> datetime:
    """`now` when the campaign may send, else the next moment at which it may."""
    if may_send(campaign, now):
        return now
    there = now.astimezone(BEIJING)
    opening = there.replace(
        hour=campaign.send_from.hour,
        minute=campaign.send_from.minute,
        second=campaign.send_from.second,
        microsecond=0,
    )
    return opening if opening > there else opening + DAY


def through_at(campaign: Campaign, *, seconds: float, now: datetime) -> datetime:
    """When so many seconds of sending that begin now are over, nights left out."""
    at, left = next_opening(campaign, now), timedelta(seconds=seconds)
    if campaign.meeting.is_rehearsal:
        return at + left
    there = at.astimezone(BEIJING)
    window = datetime.combine(there, campaign.send_until) - datetime.combine(
        there, campaign.send_from
    )
    first_day = datetime.combine(there, campaign.send_until, tzinfo=BEIJING) - there
    if left <= first_day:
        return there + left
    days, rest = divmod(left - first_day, window)
    if not rest:
        days, rest = days - 1, window
    opening = datetime.combine(there, campaign.send_from, tzinfo=BEIJING)
    return opening + (days + 1) * DAY + rest
