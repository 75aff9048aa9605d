"""Settling what no receipt has settled (对账): every night, gateways that can tell are asked.

A message of which nothing is known for three days is over: it is EXPIRED, and nothing follows from
that by itself. What was only needed to match receipts is thrown away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import MeetingKey
from meetings.register.records import Person, record_context
from notifications import receipts
from notifications.models import Capability, Delivery, GatewayCount, GatewayRef, Receipt
from voting_portal import gateways
from voting_portal.common import ids, sealing
from voting_portal.gateways import pacing
from voting_portal.gateways.protocol import CannotAsk, CanQuery, Gateway, Handed

ASK_AFTER = timedelta(hours=1)  # receipts that are under way come sooner
KNOWN_WITHIN = timedelta(hours=72)  # later no carrier reports any more
ASKED_AT_ONCE = 100
MOST_A_NIGHT = 100_000  # of a gateway; at a hundred a second that is a quarter of an hour
PATIENCE_SECONDS = 60.0
KEPT = (
    (GatewayRef.objects, "made_at", timedelta(days=7)),
    (Capability.objects, "asked_at", timedelta(days=30)),
    (GatewayCount.objects, "since", timedelta(days=30)),
    (Receipt.objects, "applied_at", timedelta(days=30)),
)

State = Delivery.State
logger = logging.getLogger(__name__)


def reconcile(*, now: datetime) -> None:
    """The nightly round: ask, expire, throw away."""
    for name in filter(gateways.is_usable, settings.GATEWAYS):
        ask_gateway(name, now=now)
    expire_unknown(now=now)
    for rows, field, kept in KEPT:
        rows.filter(**{f"{field}__lt": now - kept}).delete()


def ask_gateway(name: str, *, now: datetime) -> int:
    """Ask a gateway what became of messages without a receipt; return of how many it was asked.

    Nothing when it cannot be asked, and at most MOST_A_NIGHT. Its answers go the way of receipts
    (receipts.py). Stops, to go on the next night, when the carrier or Redis does not answer.
    """
    gateway = gateways.gateway(name)
    if not isinstance(gateway, CanQuery):
        return 0
    asked = 0
    try:
        for meeting_id in _meetings_with_open_ends(name, now=now):
            for handed in _find_handed(gateway, meeting_id, now=now):
                if asked >= MOST_A_NIGHT or not pacing.wait_for_turn(
                    f"{name}:query", segments=1, rate=1, patience=PATIENCE_SECONDS
                ):
                    return asked
                receipts.take_lines(name, gateway.query(handed), now=now)
                asked += len(handed)
    except (CannotAsk, pacing.PaceUnknown) as refusal:
        logger.warning("%s was asked of %s messages, then: %s", name, asked, refusal)
    return asked


def expire_unknown(*, now: datetime) -> int:
    """End the wait for messages of which nothing was heard for KNOWN_WITHIN; return how many."""
    expired = 0
    for meeting_id in _meetings_with_open_ends(None, now=now):
        first, end = ids.delivery_range(meeting_id)
        expired += Delivery.objects.filter(
            id__gte=first, id__lt=end, state=State.UNKNOWN, changed_at__lt=now - KNOWN_WITHIN
        ).update(state=State.EXPIRED, reason="no receipt", changed_at=now)
    return expired


def _meetings_with_open_ends(gateway: str | None, *, now: datetime) -> list[int]:
    """Meetings with a campaign of the last weeks, by this gateway or by any."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT campaign.meeting_id FROM notifications_campaign AS campaign
            JOIN notifications_deliverybatch AS batch ON batch.campaign_id = campaign.id
            WHERE campaign.started_at > %s AND (%s::text IS NULL OR batch.gateway = %s)
            ORDER BY 1
            """,
            [now - timedelta(days=30), gateway, gateway],
        )
        return [meeting_id for (meeting_id,) in cursor.fetchall()]


def _find_handed(gateway: Gateway, meeting_id: int, *, now: datetime) -> Iterator[list[Handed]]:
    """What the gateway has from us of a meeting and no receipt has settled, some at a time."""
    try:
        key = meeting_key(meeting_id, MeetingKey.Purpose.RECORDS)
    except KeyDestroyed:
        return
    after, end = ids.delivery_range(meeting_id)
    while rows := _read_handed(gateway.name, meeting_id, after, end, now=now):
        after = rows[-1][0] + 1
        handed = []
        for delivery, gateway_ref, changed_at, holder, sealed in rows:
            try:
                record = sealing.open_sealed(key, bytes(sealed), context=record_context(holder))
            except sealing.CannotOpen:
                continue
            phone = Person.decode(record).phone
            handed.append(Handed(str(delivery), gateway_ref, phone, handed_at=changed_at))
        yield handed


def _read_handed(
    gateway: str, meeting_id: int, first: int, end: int, *, now: datetime
) -> list[tuple[int, str, datetime, int, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT delivery.id, delivery.gateway_ref, delivery.changed_at, holder.id, holder.sealed
            FROM notifications_delivery AS delivery
            JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
            JOIN meetings_holder AS holder ON holder.id = delivery.holder_id
            WHERE delivery.id >= %s AND delivery.id < %s AND batch.gateway = %s
              AND delivery.state IN (%s, %s, %s) AND delivery.changed_at BETWEEN %s AND %s
              AND holder.id >= %s AND holder.id < %s
            ORDER BY delivery.id LIMIT %s
            """,
            [
                *(first, end, gateway, State.UNKNOWN, State.ACCEPTED, State.NETWORK),
                *(now - KNOWN_WITHIN, now - ASK_AFTER),
                *(*ids.holder_range(meeting_id), ASKED_AT_ONCE),
            ],
        )
        rows: list[tuple[int, str, datetime, int, bytes]] = cursor.fetchall()
    return rows
