"""The next step of a plan (后续步骤), for those whom one step certainly did not reach.

Certain is what the carrier says for good: this phone will not get it, or cannot show it. Silence,
an answer that never came and "not now" are not, and a message that a network had once may still
arrive. For these nothing follows by itself. Networks fall back by themselves where they can (a 5G
message turns into an SMS); that is still the first step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from notifications import campaigns, routing
from notifications.models import Campaign
from notifications.planning import write_deliveries
from voting_portal.common import ids, locks

# The rows are locked in the order of their ids, as in receipts.py, so that nobody deadlocks.
_DUE = """
due AS (
    SELECT delivery.id, delivery.holder_id, batch.carrier
    FROM notifications_delivery AS delivery
    JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
    WHERE delivery.is_next_due AND delivery.id >= %s AND delivery.id < %s
      AND batch.campaign_id = %s AND batch.step = %s
    ORDER BY delivery.id FOR UPDATE OF delivery
), taken AS (
    UPDATE notifications_delivery AS delivery SET is_next_due = false
    FROM due WHERE delivery.id = due.id AND delivery.id >= %s AND delivery.id < %s
), told AS (SELECT holder_id AS id, carrier FROM due)
"""


def take_next_steps(*, now: datetime) -> int:
    """Plan the next step for everybody whose last one failed for good; return for how many.

    Work that comes to a campaign that was done sets it going again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT batch.campaign_id, batch.step
            FROM notifications_delivery AS delivery
            JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
            WHERE delivery.is_next_due
            """
        )
        due: defaultdict[int, list[int]] = defaultdict(list)
        for campaign_id, step in cursor.fetchall():
            due[campaign_id].append(step)
    return sum(_take_of_campaign(each, steps, now=now) for each, steps in sorted(due.items()))


@transaction.atomic
def _take_of_campaign(campaign_id: int, steps: Collection[int], *, now: datetime) -> int:
    """The next steps of one campaign under its lock, so that nobody cancels it meanwhile."""
    locks.hold(locks.CAMPAIGN, campaign_id)
    campaigns_here = Campaign.objects.select_related("meeting__issuer")
    campaign = campaigns_here.select_for_update(of=["self"]).get(pk=campaign_id)
    partition = ids.delivery_range(campaign.meeting_id)
    planned = 0
    for step in sorted(steps):
        planned += write_deliveries(
            campaign,
            routing.routes(campaign.plan, since=step + 1) if _goes_on(campaign) else [],
            told=_DUE,
            values=[*partition, campaign.pk, step, *partition],
            now=now,
        )
    if planned and campaign.state == Campaign.State.DONE:
        campaigns.continue_campaign(campaign.pk, now=now)
    return planned


def _goes_on(campaign: Campaign) -> bool:
    """Whether more may be sent of it; else what was due is due no more."""
    is_cancelled = campaign.state == Campaign.State.CANCELLED
    return (
        not is_cancelled
        and campaign.meeting.state in campaigns.SENDABLE[Campaign.Kind(campaign.kind)]
    )
