"""What a campaign would do, for whoever approves it (预览): whom it tells, by what, for how much.

Worked out once, when the audience is frozen, and kept with the campaign: the approver reads what is
sent. Figures are of the plan's first step; later steps only follow where it certainly failed.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from meetings.models import Holder
from notifications import hours, wording
from notifications.audiences import LEFT_OUT, count_left_out
from notifications.models import Campaign, Delivery
from voting_portal import gateways
from voting_portal.common import ids
from voting_portal.gateways.protocol import LinksExpire

SAMPLES = 3
# Units of UTF-16: a character beyond the first plane has two.
_NAME_UNITS = (
    "char_length(name_masked)"
    " + char_length(regexp_replace(name_masked, '[^\\U00010000-\\U0010FFFF]', '', 'g'))"
)


def work_out(campaign: Campaign) -> dict[str, Any]:
    """The preview of a campaign whose deliveries are planned, as JSON.

    `{"told": holders, "left_out": {reason: holders}, "samples": [text], "channels": [{"gateway",
    "messages", "segments": {"1": messages}, "units": longest, "price": yuan or null, "seconds"}]}`
    """
    left_out = count_left_out(campaign)
    return {
        "told": campaign.planned,
        "left_out": {reason: left_out[reason] for reason in LEFT_OUT if left_out[reason]},
        "channels": [
            _channel(campaign, gateway, by_name) for gateway, by_name in _names(campaign).items()
        ],
        "samples": _samples(campaign),
    }


def through_at(campaign: Campaign, *, now: datetime) -> datetime | None:
    """When all of it would have left if it were started now; None without a preview."""
    channels = campaign.preview.get("channels", [])
    if not channels:
        return None
    begin = max(now, campaign.start_at or now)
    seconds = max(channel["seconds"] for channel in channels)
    return hours.through_at(campaign, seconds=seconds, now=begin)


def expiring_links(campaign: Campaign, *, through: datetime) -> dict[str, int]:
    """Gateways of the plan whose short links are dead before the polls close, and after how many
    days, when the last message leaves at `through`.
    """
    names = [way["gateway"] for step in campaign.plan for way in step]
    known = {name: gateways.gateway(name) for name in names if gateways.is_usable(name)}
    return {
        name: gateway.link_days
        for name, gateway in known.items()
        if isinstance(gateway, LinksExpire)
        and through + timedelta(days=gateway.link_days) < campaign.meeting.polls_close_at
    }


def _names(campaign: Campaign) -> dict[str, dict[int, int]]:
    """Messages by gateway and by the length of the holder's masked name, in units."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT batch.gateway, {_NAME_UNITS} AS units, count(*)
            FROM notifications_delivery AS delivery
            JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
            JOIN meetings_holder AS holder ON holder.id = delivery.holder_id
            WHERE batch.campaign_id = %s AND delivery.id >= %s AND delivery.id < %s
              AND holder.id >= %s AND holder.id < %s
            GROUP BY 1, 2 ORDER BY 1, 2
            """,  # noqa: S608
            [
                campaign.pk,
                *ids.delivery_range(campaign.meeting_id),
                *ids.holder_range(campaign.meeting_id),
            ],
        )
        found: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for gateway, units, messages in cursor.fetchall():
            found[gateway][units] = messages
    return dict(found)


def _channel(campaign: Campaign, gateway: str, by_name: dict[int, int]) -> dict[str, Any]:
    notice = wording.compose_for(campaign, wording.mode_of(gateway))
    segments: defaultdict[int, int] = defaultdict(int)
    for name_units, messages in by_name.items():
        segments[notice.segments_with(name_units)] += messages
    billed = sum(number * messages for number, messages in segments.items())
    price = settings.GATEWAYS[gateway].get("price")  # yuan a segment
    return {
        "gateway": gateway,
        "messages": sum(by_name.values()),
        "segments": {str(number): messages for number, messages in sorted(segments.items())},
        "units": max(notice.units(name_units) for name_units in by_name),
        "price": None
        if price is None
        else str((Decimal(str(price)) * billed).quantize(Decimal("0.01"))),
        "seconds": billed / gateways.gateway(gateway).rate,
    }


def _samples(campaign: Campaign) -> list[str]:
    """The message as the first holders will get it, link and code struck out."""
    first = Delivery.objects.of_campaign(campaign).order_by("id")[:SAMPLES]
    rows = list(first.values_list("holder_id", "batch__gateway"))
    holders = Holder.objects.filter(pk__in=[holder for holder, _gateway in rows])
    names = dict(holders.values_list("pk", "name_masked"))
    return [
        wording.compose_for(campaign, wording.mode_of(gateway)).sample(names[holder])
        for holder, gateway in rows
    ]
