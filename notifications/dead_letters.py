"""Dead letters (未达记录): what did not arrive, or may not have, for a person to look at."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from notifications.models import Campaign, Delivery
from voting_portal.common import ids

State = Delivery.State
SHOWN = 20
KINDS = (State.UNREACHED, State.UNKNOWN, State.FAILED, State.EXPIRED)


@dataclass(frozen=True)
class DeadLetters:
    """Deliveries in one of KINDS: how many, and the first of them with their holders."""

    state: Delivery.State
    number: int
    first: list[Delivery]


def dead_letters(campaign: Campaign) -> list[DeadLetters]:
    """The campaign's dead letters by state, those first that may be sent again."""
    first, end = ids.holder_range(campaign.meeting_id)
    found = []
    for state in KINDS:
        of_state = Delivery.objects.of_campaign(campaign).filter(state=state)
        with_holders = of_state.filter(holder__id__gte=first, holder__id__lt=end)
        rows = with_holders.select_related("holder", "batch").order_by("id")[:SHOWN]
        found.append(DeadLetters(state, of_state.count(), list(rows)))
    return found


def count_unmatched(campaign: Campaign) -> int:
    """Lines of receipts by the campaign's gateways, since it started, that named no message of any
    campaign; those of one-time codes and trials are among them."""
    if campaign.started_at is None:
        return 0
    names = [way["gateway"] for step in campaign.plan for way in step]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT COALESCE(sum(jsonb_array_length(lines) - matched), 0)
            FROM notifications_receipt
            WHERE gateway = ANY(%s) AND received_at >= %s AND applied_at IS NOT NULL
              AND matched < jsonb_array_length(lines)
            """,
            [names, campaign.started_at],
        )
        return int(cursor.fetchone()[0])
