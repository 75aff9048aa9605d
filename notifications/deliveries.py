"""The deliveries (发送记录) of a campaign, moved all at once at a person's word."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from notifications.models import Campaign, Delivery
from voting_portal.common import ids


def change_deliveries(
    campaign: Campaign, *, since: Delivery.State, to: Delivery.State, why: str, at: datetime
) -> int:
    """Move the campaign's deliveries of one state to another; return how many.

    Those that are to be sent wake their batches.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH changed AS (
                UPDATE notifications_delivery AS delivery
                SET state = %s, reason = %s, is_next_due = false, changed_at = %s
                FROM notifications_deliverybatch AS batch
                WHERE batch.id = delivery.batch_id AND batch.campaign_id = %s
                  AND delivery.state = %s AND delivery.id >= %s AND delivery.id < %s
                RETURNING delivery.batch_id
            ), woken AS (
                UPDATE notifications_deliverybatch SET state = 'READY'
                WHERE %s AND state = 'DONE' AND id IN (SELECT batch_id FROM changed)
            )
            SELECT count(*) FROM changed
            """,
            [
                *(to, why, at, campaign.pk, since),
                *ids.delivery_range(campaign.meeting_id),
                to == Delivery.State.QUEUED,
            ],
        )
        ((number,),) = cursor.fetchall()
    return int(number)


def forget_deliveries(campaign: Campaign) -> int:
    """Take back what planning wrote; nothing of it has left."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM notifications_delivery AS delivery
            USING notifications_deliverybatch AS batch
            WHERE batch.id = delivery.batch_id AND batch.campaign_id = %s
              AND delivery.id >= %s AND delivery.id < %s
            """,
            [campaign.pk, *ids.delivery_range(campaign.meeting_id)],
        )
        number: int = cursor.rowcount
    campaign.batches.all().delete()
    return number
