"""Who may send a batch: claims, their leases, and what becomes of a worker that does not return.

Only PostgreSQL knows. A claim is one conditional UPDATE, so the broker may ring twice or never.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from notifications import campaigns, easing, next_steps
from notifications.models import Delivery
from voting_portal import gateways
from voting_portal.common import ids

LEASE = timedelta(minutes=5)

State = Delivery.State


@dataclass(frozen=True)
class Claim:
    """A worker's right to a batch until its lease runs out; `key` tells it from later claims."""

    batch_id: int
    campaign_id: int
    meeting_id: int
    step: int
    gateway: str
    key: uuid.UUID

    @property
    def ids(self) -> tuple[int, int]:
        """First and end of the ids among which its deliveries are: one partition."""
        return ids.delivery_range(self.meeting_id)


def claim_batch(batch_id: int, *, now: datetime) -> Claim | None:
    """Claim a batch that waits; None when it is another's, done, or its campaign does not run.

    One UPDATE decides between workers, so ringing twice for a batch is harmless.
    """
    key = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE notifications_deliverybatch AS batch
            SET state = 'LEASED', claim = %s, lease_until = %s
            FROM notifications_campaign AS campaign
            WHERE batch.id = %s AND batch.state = 'READY'
              AND campaign.id = batch.campaign_id AND campaign.state = 'RUNNING'
            RETURNING campaign.id, campaign.meeting_id, batch.step, batch.gateway
            """,
            [key, now + LEASE, batch_id],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    campaign_id, meeting_id, step, gateway = row
    return Claim(batch_id, campaign_id, meeting_id, step, gateway, key)


def renew(claim: Claim, *, now: datetime) -> tuple[str, str] | None:
    """Lengthen the lease; None when the batch is not this claim's any more, or its campaign stops.

    Returns the state of the meeting and the campaign's kind, as they are now.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE notifications_deliverybatch AS batch SET lease_until = %s
            FROM notifications_campaign AS campaign
            JOIN meetings_meeting AS meeting ON meeting.id = campaign.meeting_id
            WHERE batch.id = %s AND batch.claim = %s AND batch.state = 'LEASED'
              AND campaign.id = batch.campaign_id AND campaign.state = 'RUNNING'
            RETURNING meeting.state, campaign.kind
            """,
            [now + LEASE, claim.batch_id, claim.key],
        )
        row: tuple[str, str] | None = cursor.fetchone()
    return row


def next_round(*, already_rung: int, at_most: int, now: datetime) -> list[int]:
    """Batches to ring for: those that wait, but for as many as were rung already.

    Gateways take turns, each with its oldest batch first, so that a slow one does not keep the
    others waiting. Those with a process of their own need no bell. Also takes leases back that ran
    out, eases off gateways that are ill, plans the next steps that are due, and closes campaigns
    that are done.
    """
    reap(now=now)
    easing.ease_off(now=now)
    next_steps.take_next_steps(now=now)
    campaigns.start_due(now=now)
    campaigns.finish_campaigns(now=now)
    unusable = [name for name in easing.waiting_for() if not gateways.is_usable(name)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT batch.id FROM notifications_deliverybatch AS batch
            JOIN notifications_campaign AS campaign ON campaign.id = batch.campaign_id
            WHERE batch.state = 'READY' AND campaign.id = ANY (%s)
              AND batch.gateway <> ALL (%s)
            ORDER BY row_number() OVER (PARTITION BY batch.gateway ORDER BY batch.id), batch.id
            OFFSET %s LIMIT %s
            """,
            [
                *(campaigns.awake(now=now), [*gateways.with_own_process(), *unusable]),
                *(already_rung, max(0, at_most - already_rung)),
            ],
        )
        return [batch_id for (batch_id,) in cursor.fetchall()]


def next_of_gateway(name: str, *, now: datetime) -> int | None:
    """The oldest batch that waits for a gateway with a process of its own; None when none does.

    As `next_round`, takes back the leases that ran out.
    """
    reap(now=now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT batch.id FROM notifications_deliverybatch AS batch
            JOIN notifications_campaign AS campaign ON campaign.id = batch.campaign_id
            WHERE batch.state = 'READY' AND campaign.id = ANY (%s) AND batch.gateway = %s
            ORDER BY batch.id LIMIT 1
            """,
            [campaigns.awake(now=now), name],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


@transaction.atomic
def reap(*, now: datetime) -> int:
    """Take batches back whose worker is gone; return how many messages are unknown by that.

    What was still queued will be sent by the next claim; what was SENDING may have left.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE notifications_deliverybatch AS batch
            SET state = 'READY', is_begun = true, claim = NULL, lease_until = NULL
            FROM notifications_campaign AS campaign
            WHERE batch.state = 'LEASED' AND batch.lease_until < %s
              AND campaign.id = batch.campaign_id
            RETURNING batch.id, campaign.meeting_id
            """,
            [now],
        )
        reaped: dict[int, list[int]] = {}
        for batch_id, meeting_id in cursor.fetchall():
            reaped.setdefault(meeting_id, []).append(batch_id)
    return sum(_give_up(meeting, batches, now=now) for meeting, batches in reaped.items())


@transaction.atomic
def hand_back(claim: Claim, *, now: datetime) -> None:
    """End the claim: the batch is done, or waits again when something of it is still queued."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH left_over AS (
                SELECT coalesce(bool_or(state = %s), false) AS is_queued,
                       coalesce(bool_or(state >= %s), false) AS is_begun
                FROM notifications_delivery WHERE batch_id = %s AND id >= %s AND id < %s
            )
            UPDATE notifications_deliverybatch AS batch
            SET claim = NULL, lease_until = NULL, is_begun = left_over.is_begun,
                state = CASE WHEN left_over.is_queued THEN 'READY' ELSE 'DONE' END
            FROM left_over
            WHERE batch.id = %s AND batch.claim = %s AND batch.state = 'LEASED'
            """,
            [
                *(State.QUEUED, State.SENDING, claim.batch_id, *claim.ids),
                *(claim.batch_id, claim.key),
            ],
        )
        if cursor.rowcount:
            _give_up(claim.meeting_id, [claim.batch_id], now=now)


def is_unfinished(campaign_id: int) -> bool:
    """Whether a batch of the campaign waits or is being sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT FROM notifications_deliverybatch
                WHERE campaign_id = %s AND state IN ('READY', 'LEASED')
            )
            """,
            [campaign_id],
        )
        return bool(cursor.fetchone()[0])


def _give_up(meeting_id: int, batches: Sequence[int], *, now: datetime) -> int:
    """What is still SENDING in batches that nobody sends any more is unknown; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE notifications_delivery SET state = %s, reason = 'no answer', changed_at = %s
            WHERE batch_id = ANY(%s) AND state = %s AND id >= %s AND id < %s
            """,
            [State.UNKNOWN, now, list(batches), State.SENDING, *ids.delivery_range(meeting_id)],
        )
        return int(cursor.rowcount)
