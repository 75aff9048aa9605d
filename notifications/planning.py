"""Writing deliveries down: whom a campaign tells by which gateway.

Part by part of the register, each one statement over rows that the database has, so memory is flat
however many holders there are, and a long register is planned in the background (campaigns.py). A
second delivery of one campaign and step to one holder meets the primary key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from meetings.models import Holder
from notifications import routing
from notifications.audiences import select_audience
from notifications.carriers import CARRIER_BY_FIRST_DIGITS
from notifications.models import Campaign
from voting_portal.common import ids, partitions

BATCH_LENGTH = 500
PART_LENGTH = 50_000  # holders; two seconds, for which nobody else plans for the meeting

# `told` has the id of a holder and a carrier: batches of one carrier, each for the gateway whose
# turn it is, and their deliveries. A carrier without a route is left out.
_WRITE = """
WITH {told}, route AS (
    SELECT * FROM jsonb_to_recordset(%s) AS route (carrier text, step int, turns jsonb)
), placed AS (
    SELECT told.id, carrier, step, turns,
           (row_number() OVER (PARTITION BY carrier ORDER BY told.id) - 1) / %s AS place
    FROM told JOIN route USING (carrier)
), made AS (
    INSERT INTO notifications_deliverybatch (campaign_id, state, carrier, step, gateway)
    SELECT %s, 'READY', carrier, step, turns ->> (place %% jsonb_array_length(turns))::int
    FROM (SELECT DISTINCT carrier, step, turns, place FROM placed) AS batch
    ORDER BY carrier, place
    RETURNING id, carrier
), batch AS (
    SELECT id, carrier, row_number() OVER (PARTITION BY carrier ORDER BY id) - 1 AS place FROM made
)
INSERT INTO notifications_delivery (id, holder_id, batch_id, changed_at)
SELECT (placed.id << %s) | %s | placed.step, placed.id, batch.id, %s
FROM placed JOIN batch USING (carrier, place)
ON CONFLICT DO NOTHING
"""
_ALL_ALIKE = "told AS (SELECT id, '' AS carrier FROM audience)"
_BY_CARRIER = """
told AS (
    SELECT audience.id, coalesce(range.carrier, '') AS carrier
    FROM audience JOIN meetings_holder AS holder ON holder.id = audience.id
    LEFT JOIN unnest(%s::text[], %s::text[]) AS range (digits, carrier)
           ON range.digits = left(holder.phone_masked, 3)
    WHERE holder.id >= %s AND holder.id < %s
)
"""


@dataclass(frozen=True)
class PlanningProgress:
    """How far the freezing of an audience has come; holders of the register, and of these those to
    be told so far.
    """

    looked_at: int
    holders: int
    planned: int
    through_at: datetime | None


def planning_progress(campaign: Campaign, *, now: datetime) -> PlanningProgress:
    """Of a campaign that is being planned; by when it is through, at the speed so far."""
    holders, looked_at = last_holder(campaign.meeting_id), campaign.looked_at
    through = None
    if looked_at and campaign.planning_since:
        taken = now - campaign.planning_since
        through = now + taken * ((holders - looked_at) / looked_at)
    return PlanningProgress(looked_at, holders, campaign.planned, through)


def last_holder(meeting_id: int) -> int:
    """The number in the register of its last holder; 0 when it is empty."""
    last = Holder.objects.of_meeting(meeting_id).order_by("-id").values_list("id", flat=True)
    return ids.index_of(found) if (found := last.first()) else 0


def plan_deliveries(campaign: Campaign, *, now: datetime) -> int:
    """Freeze the audience: a delivery for everybody in it, in batches; return how many.

    Changes `looked_at` and `planned` of the campaign, which are the caller's to save.
    """
    before = campaign.planned
    while not plan_part(campaign, now=now):
        pass
    get_ready(campaign)
    return campaign.planned - before


def plan_part(campaign: Campaign, *, now: datetime) -> bool:
    """Freeze the next part of the audience; whether that was the last.

    Changes `looked_at` and `planned` of the campaign, which are the caller's to save.
    """
    since = campaign.looked_at + 1
    end = since + PART_LENGTH
    within = (ids.holder_id(campaign.meeting_id, since), ids.holder_id(campaign.meeting_id, end))
    campaign.planned += _plan_deliveries(campaign, within, now=now)
    last = last_holder(campaign.meeting_id)
    campaign.looked_at = min(end - 1, last)
    return campaign.looked_at == last


def get_ready(campaign: Campaign) -> None:
    """Let PostgreSQL learn what was planned: workers come before autovacuum has looked at it."""
    deliveries, holders = (
        partitions.partition_name(table, campaign.meeting_id)
        for table in ("notifications_delivery", "meetings_holder")
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE notifications_deliverybatch, {deliveries}, {holders}")


def _plan_deliveries(campaign: Campaign, within: tuple[int, int], *, now: datetime) -> int:
    """A delivery for everybody of the audience within a range of ids, in batches; how many.

    Each holder begins with the first step of the plan that serves its phone's carrier.
    """
    routes = routing.routes(campaign.plan)
    audience, values = select_audience(campaign, within=within)
    told = _ALL_ALIKE
    if len(routes) > 1:
        told, ranges = _BY_CARRIER, CARRIER_BY_FIRST_DIGITS
        by_carrier = [list(ranges), list(ranges.values())]
        values = [*values, *by_carrier, *within]
    return write_deliveries(
        campaign, routes, told=f"audience AS ({audience}), {told}", values=values, now=now
    )


def write_deliveries(
    campaign: Campaign,
    routes: Sequence[routing.Route],
    *,
    told: str,
    values: Sequence[Any],
    now: datetime,
) -> int:
    """Write batches and deliveries by these routes, one a carrier; return how many deliveries.

    `told` is SQL: named queries as in a WITH, of which the one called `told` has `id` of a holder
    and `carrier`; `values` are its parameters.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE.format(told=told),
            [
                *(*values, json.dumps([asdict(route) for route in routes]), BATCH_LENGTH),
                *(campaign.pk, ids.DELIVERY_BITS, campaign.number << ids.STEP_BITS, now),
            ],
        )
        return int(cursor.rowcount)
