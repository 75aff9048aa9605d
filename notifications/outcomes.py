"""What became of deliveries: the statements by which their states change, upwards only.

A carrier may say the same thing twice, late, or in the wrong order; the highest state said counts.
Only a message that certainly did not leave goes back to where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from notifications import campaigns, claims, references
from notifications.claims import Claim
from notifications.models import Campaign, Delivery
from notifications.references import Word
from voting_portal.common import ids, locks
from voting_portal.gateways import Outcome, Result

State = Delivery.State
SLOW = timedelta(minutes=5)  # between the last word of a message and that it arrived
_STATES = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REJECTED: State.FAILED,
    Outcome.UNKNOWN: State.UNKNOWN,
}
NO_CAPABILITY = "no capability"


@dataclass(frozen=True)
class Raised:
    """The deliveries that were found, how many arrived by that, and how many of these slowly."""

    found: frozenset[int]
    delivered: int
    slow: int


@transaction.atomic(durable=True)
def mark_sending(claim: Claim, deliveries: Sequence[int], *, now: datetime) -> set[int] | None:
    """Commit that these are leaving now; return those that may, None when this claim is over.

    Asks at the last moment: does the campaign still run, has it still something to say, is the
    batch still ours, has the holder voted to whom a reminder goes, has an earlier step arrived
    after all? The shared lock makes a pause wait for this commit, and every later sub-batch see
    the pause.
    """
    locks.hold(locks.CAMPAIGN, claim.campaign_id, shared=True)
    with connection.cursor() as cursor:
        said = claims.renew(claim, now=now)
        if said is None:
            return None
        meeting_state, kind = said
        if meeting_state not in campaigns.SENDABLE[Campaign.Kind(kind)]:
            raise campaigns.WrongMeetingState(kind, meeting_state)
        cursor.execute(
            """
            WITH leaving AS (
                SELECT delivery.id, CASE WHEN %s AND EXISTS (
                    SELECT FROM ballots_ballot AS ballot
                    WHERE ballot.id >= delivery.holder_id << %s
                      AND ballot.id < (delivery.holder_id + 1) << %s
                      AND ballot.id >= %s AND ballot.id < %s
                ) THEN 'voted' WHEN EXISTS (
                    SELECT FROM notifications_delivery AS earlier
                    WHERE earlier.id >= delivery.id - %s AND earlier.id < delivery.id
                      AND earlier.id >= %s AND earlier.id < %s
                      AND earlier.state IN (%s, %s, %s)
                ) THEN 'reached' ELSE '' END AS needless
                FROM notifications_delivery AS delivery
                WHERE delivery.id = ANY(%s) AND delivery.id >= %s AND delivery.id < %s
            )
            UPDATE notifications_delivery AS delivery
            SET state = CASE needless WHEN '' THEN %s ELSE %s END, reason = needless,
                changed_at = %s
            FROM leaving
            WHERE delivery.id = leaving.id AND delivery.state = %s
              AND delivery.id >= %s AND delivery.id < %s
            RETURNING delivery.id, delivery.state
            """,
            [
                kind == Campaign.Kind.REMINDER,
                *(ids.CLASS_BITS, ids.CLASS_BITS, *ids.ballot_range(claim.meeting_id)),
                *(claim.step, *claim.ids, State.NETWORK, State.DELIVERED, State.DISPLAYED),
                *(list(deliveries), *claim.ids),
                *(State.SENDING, State.SKIPPED, now, State.QUEUED, *claim.ids),
            ],
        )
        return {delivery for delivery, state in cursor.fetchall() if state == State.SENDING}


def skip(claim: Claim, deliveries: Sequence[int], *, reason: str, now: datetime) -> None:
    """Nothing is sent to these; where the phone cannot show it, the next step is due."""
    first, end = claim.ids
    queued = Delivery.objects.filter(
        id__gte=first, id__lt=end, batch=claim.batch_id, state=State.QUEUED
    )
    queued.filter(id__in=deliveries).update(
        state=State.SKIPPED,
        reason=reason,
        is_next_due=reason == NO_CAPABILITY,
        changed_at=now,
    )


def write_results(claim: Claim, results: Sequence[Result], *, now: datetime) -> None:
    """Raise the states of what left; put back what certainly did not.

    A receipt may have come before, so a state is never lowered; nor is one put back that the
    reaper has called unknown.
    """
    known = [
        Word(int(result.ref), _STATES[result.outcome], result.reason, result.gateway_ref)
        for result in results
        if result.outcome in _STATES
    ]
    put_back = [int(result.ref) for result in results if result.outcome not in _STATES]
    references.remember(claim.gateway, results, now=now)
    if known:
        raise_states(claim.gateway, claim.meeting_id, known, now=now, since=State.QUEUED)
    if put_back:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE notifications_delivery SET state = %s, changed_at = %s
                WHERE id = ANY(%s) AND state = %s AND id >= %s AND id < %s
                """,
                [State.QUEUED, now, put_back, State.SENDING, *claim.ids],
            )


def raise_states(
    gateway: str,
    meeting_id: int,
    words: Sequence[Word],
    *,
    now: datetime,
    since: State = State.SENDING,
) -> Raised:
    """Raise deliveries of a meeting to the states said of them, one word each.

    Only what was handed to this gateway and is in state `since` or above. A failure that is final
    makes the next step of the plan due, unless the network had the message once.
    """
    partition = ids.delivery_range(meeting_id)
    deliveries = [word.delivery for word in words]
    with connection.cursor() as cursor:
        # Rows are locked in the order of their ids, so that nobody deadlocks.
        cursor.execute(
            """
            WITH word AS (
                SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::text[])
                    AS word (id, state, reason, gateway_ref)
            ), found AS (
                SELECT delivery.id, delivery.changed_at,
                       delivery.state >= %s AND delivery.state < %s
                           AND batch.step + 1 < jsonb_array_length(campaign.plan) AS may_go_on
                FROM notifications_delivery AS delivery
                JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
                JOIN notifications_campaign AS campaign ON campaign.id = batch.campaign_id
                WHERE delivery.id = ANY(%s) AND delivery.id >= %s AND delivery.id < %s
                  AND delivery.state >= %s AND batch.gateway = %s
                ORDER BY delivery.id FOR UPDATE OF delivery
            ), raised AS (
                UPDATE notifications_delivery AS delivery
                SET state = word.state, reason = word.reason, changed_at = %s,
                    gateway_ref = coalesce(nullif(word.gateway_ref, ''), delivery.gateway_ref),
                    is_next_due = word.state = %s AND may_go_on
                FROM word JOIN found USING (id)
                WHERE delivery.id = found.id AND delivery.state < word.state
                  AND delivery.id >= %s AND delivery.id < %s
                RETURNING word.state, found.changed_at
            ), named AS (
                UPDATE notifications_delivery AS delivery SET gateway_ref = word.gateway_ref
                FROM word JOIN found USING (id)
                WHERE delivery.id = found.id AND delivery.state >= word.state
                  AND word.gateway_ref <> '' AND delivery.id >= %s AND delivery.id < %s
            )
            SELECT (SELECT array_agg(id) FROM found),
                   (SELECT count(*) FROM raised WHERE state = %s),
                   (SELECT count(*) FROM raised WHERE state = %s AND changed_at < %s)
            """,
            [
                deliveries,
                [int(word.state) for word in words],
                [word.reason for word in words],
                [word.gateway_ref for word in words],
                *(State.SENDING, State.NETWORK),
                *(deliveries, *partition, since, gateway),
                *(now, State.FAILED, *partition),
                *partition,
                *(State.DELIVERED, State.DELIVERED, now - SLOW),
            ],
        )
        found, delivered, slow = cursor.fetchone()
    return Raised(frozenset(found or ()), delivered, slow)
