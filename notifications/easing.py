"""Easing off a gateway that is ill (通道降权), and giving it its share back.

A gateway is ill when 50 messages in a minute, and a tenth of all, got no answer or no connection,
or when 15 % of what arrived in a quarter of an hour took longer than five minutes. It then loses 10
of its 100 points, and the batches that wait are dealt again. One change in five minutes among the
gateways of a kind, and none while all of them are ill: who would take their share? A gateway that
is well gets 10 points back every five minutes. Decided under a lock on the rows, so that beats that
overlap decide once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from notifications import routing
from notifications.models import Campaign, DeliveryBatch, GatewayHealth
from voting_portal import gateways

if TYPE_CHECKING:
    from notifications.claims import Claim

SLOT_SECONDS = 10
ERROR_WINDOW, ERRORS, ERROR_SHARE = timedelta(seconds=60), 50, 0.1
SLOW_WINDOW, SLOW_LEAST, SLOW_SHARE = timedelta(minutes=15), 50, 0.15
POINTS = 10  # lost or given back at once
QUIET = timedelta(minutes=5)  # between two changes


def count(
    gateway: str,
    *,
    now: datetime,
    handed: int = 0,
    failures: int = 0,
    delivered: int = 0,
    slow: int = 0,
) -> None:
    """Add messages to what the gateway did in these ten seconds."""
    since = now - timedelta(seconds=now.second % SLOT_SECONDS, microseconds=now.microsecond)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO notifications_gatewaycount AS counted
                (gateway, since, handed, failures, delivered, slow)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (gateway, since) DO UPDATE SET
                handed = counted.handed + excluded.handed,
                failures = counted.failures + excluded.failures,
                delivered = counted.delivered + excluded.delivered,
                slow = counted.slow + excluded.slow
            """,
            [gateway, since, handed, failures, delivered, slow],
        )


@transaction.atomic
def ease_off(*, now: datetime) -> list[str]:
    """Take points from gateways that are ill and give some back to those that are well.

    Returns the names of those whose points changed; at most one of a kind.
    """
    names = sorted(filter(gateways.is_usable, settings.GATEWAYS))
    GatewayHealth.objects.bulk_create(
        [GatewayHealth(gateway=name) for name in names], ignore_conflicts=True
    )
    rows = {
        row.gateway: row
        for row in GatewayHealth.objects.select_for_update()
        .filter(gateway__in=names)
        .order_by("gateway")
    }
    illnesses = _find_illnesses(now)
    kinds: defaultdict[str, list[GatewayHealth]] = defaultdict(list)
    for name in names:
        kinds[gateways.gateway(name).kind.value].append(rows[name])
    changed = [row for peers in kinds.values() if (row := _change(peers, illnesses, now=now))]
    GatewayHealth.objects.bulk_update(changed, ["points", "reason", "changed_at"])
    unusable = set(waiting_for()) - set(names)
    if changed or unusable:
        _deal_again({row.gateway for row in changed} | unusable)
    return [row.gateway for row in changed]


@transaction.atomic
def put_aside(claim: Claim, *, reason: str, now: datetime) -> bool:
    """Take all points from a gateway that refuses whatever it is handed, if others can do its work.

    False, and nothing changed, when none of the batch's step can: then a person is needed. It gets
    its points back as any gateway that is well, and loses them again should it refuse again.
    """
    batch = DeliveryBatch.objects.select_related("campaign").get(pk=claim.batch_id)
    step = routing.read_plan(batch.campaign.plan)[claim.step]
    rest = {way.gateway for way in routing.usable_ways(step, batch.carrier)} - {claim.gateway}
    tired = GatewayHealth.objects.filter(gateway__in=rest, points=0)
    if not rest - set(tired.values_list("gateway", flat=True)):
        return False
    GatewayHealth.objects.update_or_create(
        gateway=claim.gateway, defaults={"points": 0, "reason": reason[:100], "changed_at": now}
    )
    _deal_again({claim.gateway})
    return True


def alarms(campaign: Campaign) -> list[str]:
    """What is wrong with the gateways of a campaign, in words: one line for each that is eased off,
    or put aside because its settings are wrong.
    """
    names = [way["gateway"] for step in campaign.plan for way in step]
    unusable = [name for name in names if not gateways.is_usable(name)]
    lines = [
        _("通道“%(name)s”的设置有误或已被删除，已停用；其他通道继续发送。") % {"name": name}
        for name in unusable
    ]
    eased = GatewayHealth.objects.filter(gateway__in=names, points__lt=GatewayHealth.AT_REST)
    return lines + [
        _("通道“%(name)s”已降至%(points)s%%的份额：%(reason)s")
        % {"name": row.gateway, "points": row.points, "reason": row.reason}
        for row in eased.exclude(gateway__in=unusable).order_by("gateway")
    ]


def waiting_for() -> list[str]:
    """Names of the gateways for which batches wait."""
    waiting = DeliveryBatch.objects.filter(state=DeliveryBatch.State.READY)
    return list(waiting.order_by("gateway").values_list("gateway", flat=True).distinct())


def _change(
    peers: Collection[GatewayHealth], illnesses: Mapping[str, str], *, now: datetime
) -> GatewayHealth | None:
    """The one gateway of a kind whose points change now, changed; None when none does."""
    if any(row.changed_at and now - row.changed_at < QUIET for row in peers):
        return None
    ill = [row for row in peers if row.gateway in illnesses]
    for row in ill if len(ill) < len(peers) else ():
        if row.points:
            row.points, row.changed_at = max(0, row.points - POINTS), now
            row.reason = illnesses[row.gateway]
            return row
    for row in peers:
        if row.gateway not in illnesses and row.points < GatewayHealth.AT_REST:
            row.points, row.changed_at = min(GatewayHealth.AT_REST, row.points + POINTS), now
            row.reason = row.reason if row.points < GatewayHealth.AT_REST else ""
            return row
    return None


def _find_illnesses(now: datetime) -> dict[str, str]:
    """Gateways that are ill, each with its illness in words."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT gateway, coalesce(sum(failures) FILTER (WHERE since > %s), 0),
                   coalesce(sum(handed) FILTER (WHERE since > %s), 0),
                   sum(delivered), sum(slow)
            FROM notifications_gatewaycount WHERE since > %s GROUP BY gateway
            """,
            [now - ERROR_WINDOW, now - ERROR_WINDOW, now - SLOW_WINDOW],
        )
        found = {}
        for gateway, failures, handed, delivered, slow in cursor.fetchall():
            if failures >= ERRORS and failures >= ERROR_SHARE * handed:
                found[gateway] = _("60秒内%(failures)s条没有回应") % {"failures": failures}
            elif delivered >= SLOW_LEAST and slow >= SLOW_SHARE * delivered:
                share = round(100 * slow / delivered)
                found[gateway] = _("%(share)s%%的消息超过5分钟才送达") % {"share": share}
        return found


def _deal_again(changed: Set[str]) -> None:
    """Give the batches that wait, and of which nothing left yet, to gateways by the new shares.

    Of a batch that was begun the gateway reports, so it stays there.
    """
    waiting = DeliveryBatch.objects.filter(state=DeliveryBatch.State.READY, is_begun=False)
    rows = waiting.values_list("campaign_id", "campaign__plan", "step", "carrier").distinct()
    points = dict(GatewayHealth.objects.values_list("gateway", "points"))
    for campaign_id, plan, step, carrier in rows.order_by("campaign_id", "step", "carrier"):
        planned = routing.read_plan(plan)[step]
        ways = routing.usable_ways(planned, carrier)
        if len(planned) > 1 and ways and changed & {way.gateway for way in planned}:
            _deal(campaign_id, step, carrier, turns=routing.turns(ways, points))


def _deal(campaign_id: int, step: int, carrier: str, *, turns: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH waiting AS (
                SELECT id, row_number() OVER (ORDER BY id) - 1 AS place
                FROM notifications_deliverybatch
                WHERE state = 'READY' AND NOT is_begun
                  AND campaign_id = %s AND step = %s AND carrier = %s
            )
            UPDATE notifications_deliverybatch AS batch
            SET gateway = (%s::text[])[1 + place %% %s]
            FROM waiting
            WHERE batch.id = waiting.id AND batch.state = 'READY' AND NOT batch.is_begun
            """,
            [campaign_id, step, carrier, turns, len(turns)],
        )
