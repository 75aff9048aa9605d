"""Sending a batch: what is committed before bytes leave, and what the answers mean.

The promise is at most once: a delivery is SENDING in the database before its message leaves, and
from there it never comes back unless the gateway says that it certainly was not sent. A message
without an answer is UNKNOWN and stays so until a receipt tells. No transaction is open while the
network is waited for.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import MeetingKey
from meetings.register.records import Person, record_context
from notifications import campaigns, claims, hours, suppressions, wording
from notifications.claims import Claim
from notifications.models import Campaign, Delivery
from voting_portal import gateways
from voting_portal.common import ids, locks, sealing
from voting_portal.gateways import Message, Outcome, Result, pacing

PATIENCE_SECONDS = 60.0  # for a turn at the gateway; a claimed batch is given back after it
SETBACKS = 3  # throttled or unreachable so often in a row: leave the batch to a later round
UNREACHABLE_SECONDS = 3.0
# A campaign pauses by itself when of one batch so many failed or got no answer, and as large a
# share as it says.
ALARMING_FAILURES = 50

Clock = Callable[[], datetime]
# delivery, holder, generation, masked name, sealed record
_Queued = tuple[int, int, int, str, bytes]
State = Delivery.State
logger = logging.getLogger(__name__)


def send_batch(batch_id: int, *, clock: Clock) -> None:
    """Claim a batch and send what of it is still to be sent; nothing when it cannot be claimed."""
    claim = claims.claim_batch(batch_id, now=clock())
    if claim is None:
        return
    try:
        _send_claimed(claim, clock=clock)
    except pacing.PaceUnknown:
        logger.warning("batch %s waits: Redis does not answer", batch_id)
    except KeyDestroyed:
        _pause(claim, _("会议的密钥已销毁,无法读取手机号码。"), now=clock())
    except campaigns.CannotSend as refusal:
        _pause(claim, str(refusal), now=clock())
    claims.hand_back(claim, now=clock())
    campaigns.finish_campaigns(now=clock())


def _send_claimed(claim: Claim, *, clock: Clock) -> None:
    """Send sub-batches until none is queued, or something says stop."""
    campaign = Campaign.objects.select_related("meeting__issuer").get(pk=claim.campaign_id)
    campaigns.check_sendable(campaign)
    gateway = gateways.gateway(claim.gateway)
    notice = wording.compose_for(campaign, wording.mode_of(claim.gateway))
    # No more at once than a second's worth, so that the pace is even.
    length = max(1, min(gateway.batch_size, int(gateway.rate / notice.segments)))
    outcomes: list[Outcome] = []
    setbacks = 0
    while setbacks < SETBACKS and (queued := _read_queued(claim, length)):
        if not hours.may_send(campaign, clock()):
            return
        messages = _write_messages(claim, queued, notice, now=clock())
        if not pacing.wait_for_turn(
            gateway.name,
            segments=notice.segments * len(messages),
            rate=gateway.rate,
            patience=PATIENCE_SECONDS,
        ):
            return
        leaving = _mark_sending(claim, [int(m.ref) for m in messages], now=clock())
        if leaving is None:
            return
        if not leaving:
            continue
        results = gateway.send([m for m in messages if int(m.ref) in leaving])
        _write_results(claim, results, now=clock())
        outcomes += [result.outcome for result in results]
        if reason := _reason_to_pause(campaign, results, outcomes):
            _pause(claim, reason, now=clock())
            return
        setbacks = setbacks + 1 if _holds_back(gateway, results) else 0


def _reason_to_pause(
    campaign: Campaign, results: Sequence[Result], outcomes: Sequence[Outcome]
) -> str:
    """Why a person should look before more is sent: blank when nothing is wrong.

    `outcomes` are those of the whole batch so far.
    """
    for result in results:
        if result.outcome is Outcome.MISCONFIGURED:
            return _("通道拒绝了请求(%s),请检查通道设置。") % result.reason
    failures = outcomes.count(Outcome.REJECTED) + outcomes.count(Outcome.UNKNOWN)
    if failures >= ALARMING_FAILURES and failures * 100 > campaign.alarm_percent * len(outcomes):
        # Without counts: what was tried of a batch of a reminder tells how many have voted.
        words = {"percent": campaign.alarm_percent}
        return _("失败或结果不明的短信超过%(percent)s%%。") % words
    return ""


def _read_queued(claim: Claim, length: int) -> list[_Queued]:
    """The next deliveries of the batch."""
    with connection.cursor() as cursor:
        # Materialized, lest ORDER BY and LIMIT tempt PostgreSQL to walk the whole partition by id.
        cursor.execute(
            """
            WITH queued AS MATERIALIZED (
                SELECT id, holder_id FROM notifications_delivery
                WHERE batch_id = %s AND state = %s AND id >= %s AND id < %s
            ), next AS MATERIALIZED (SELECT * FROM queued ORDER BY id LIMIT %s)
            SELECT next.id, holder.id, holder.link_generation, holder.name_masked, holder.sealed
            FROM next JOIN meetings_holder AS holder ON holder.id = next.holder_id
            WHERE holder.id >= %s AND holder.id < %s ORDER BY next.id
            """,
            [
                *(claim.batch_id, State.QUEUED, *claim.ids, length),
                *ids.holder_range(claim.meeting_id),
            ],
        )
        queued: list[_Queued] = cursor.fetchall()
    return queued


def _write_messages(
    claim: Claim,
    queued: Sequence[_Queued],
    notice: wording.Notice,
    *,
    now: datetime,
) -> list[Message]:
    """A message for all whose record opens and who have not opted out; done with the others."""
    key = meeting_key(claim.meeting_id, MeetingKey.Purpose.RECORDS)
    messages, unreadable = [], []
    for delivery, holder, generation, name, sealed in queued:
        try:
            record = sealing.open_sealed(key, bytes(sealed), context=record_context(holder))
        except sealing.CannotOpen:
            unreadable.append(Result(str(delivery), Outcome.REJECTED, reason="unreadable record"))
            continue
        phone = Person.decode(record).phone
        messages.append(
            notice.message(
                ref=str(delivery), phone=phone, holder=holder, generation=generation, name=name
            )
        )
    if unreadable:
        _write_results(claim, unreadable, now=now)
    opted_out = suppressions.suppressed({message.phone for message in messages})
    if opted_out:
        _skip(claim, [int(m.ref) for m in messages if m.phone in opted_out], "opted out", now=now)
    return [message for message in messages if message.phone not in opted_out]


def _skip(claim: Claim, deliveries: Sequence[int], reason: str, *, now: datetime) -> None:
    first, end = claim.ids
    queued = Delivery.objects.filter(id__gte=first, id__lt=end, state=State.QUEUED)
    queued.filter(id__in=deliveries).update(state=State.SKIPPED, reason=reason, changed_at=now)


@transaction.atomic(durable=True)
def _mark_sending(claim: Claim, deliveries: Sequence[int], *, now: datetime) -> set[int] | None:
    """Commit that these are leaving now; return those that may, None when this claim is over.

    Asks at the last moment: does the campaign still run, has it still something to say, is the
    batch still ours, has the holder voted to whom a reminder goes? The shared lock makes a pause
    wait for this commit, and every later sub-batch see the pause.
    """
    locks.hold(locks.CAMPAIGN, claim.campaign_id, shared=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT meeting.state, campaign.kind FROM notifications_campaign AS campaign
            JOIN meetings_meeting AS meeting ON meeting.id = campaign.meeting_id
            WHERE campaign.id = %s AND campaign.state = 'RUNNING'
            """,
            [claim.campaign_id],
        )
        row = cursor.fetchone()
        if row is None:
            return None
        meeting_state, kind = row
        if meeting_state not in campaigns.SENDABLE[Campaign.Kind(kind)]:
            raise campaigns.WrongMeetingState(kind, meeting_state)
        if not claims.renew(claim, now=now):
            return None
        cursor.execute(
            """
            WITH leaving AS (
                SELECT delivery.id, %s AND EXISTS (
                    SELECT FROM ballots_ballot AS ballot
                    WHERE ballot.id >= delivery.holder_id << %s
                      AND ballot.id < (delivery.holder_id + 1) << %s
                      AND ballot.id >= %s AND ballot.id < %s
                ) AS has_voted
                FROM notifications_delivery AS delivery
                WHERE delivery.id = ANY(%s) AND delivery.id >= %s AND delivery.id < %s
            )
            UPDATE notifications_delivery AS delivery
            SET state = CASE WHEN has_voted THEN %s ELSE %s END,
                reason = CASE WHEN has_voted THEN 'voted' ELSE '' END,
                changed_at = %s
            FROM leaving
            WHERE delivery.id = leaving.id AND delivery.state = %s
              AND delivery.id >= %s AND delivery.id < %s
            RETURNING delivery.id, delivery.state
            """,
            [
                kind == Campaign.Kind.REMINDER,
                *(ids.CLASS_BITS, ids.CLASS_BITS, *ids.ballot_range(claim.meeting_id)),
                *(list(deliveries), *claim.ids),
                *(State.SKIPPED, State.SENDING, now, State.QUEUED, *claim.ids),
            ],
        )
        return {delivery for delivery, state in cursor.fetchall() if state == State.SENDING}


_STATES = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REJECTED: State.FAILED,
    Outcome.UNKNOWN: State.UNKNOWN,
}


def _write_results(claim: Claim, results: Sequence[Result], *, now: datetime) -> None:
    """Raise the states of what left; put back what certainly did not.

    A receipt may have come before, so a state is never lowered; nor is one put back that the
    reaper has called unknown. Rows are locked in the order of their ids, as in receipts.py.
    """
    known = [result for result in results if result.outcome in _STATES]
    put_back = [int(result.ref) for result in results if result.outcome not in _STATES]
    with connection.cursor() as cursor:
        if known:
            deliveries = [int(result.ref) for result in known]
            cursor.execute(
                """
                WITH result AS (
                    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::text[])
                        AS result (id, state, gateway_ref, reason)
                ), locked AS (
                    SELECT id FROM notifications_delivery
                    WHERE id = ANY(%s) AND id >= %s AND id < %s ORDER BY id FOR UPDATE
                )
                UPDATE notifications_delivery AS delivery
                SET state = greatest(delivery.state, result.state),
                    reason = CASE WHEN delivery.state < result.state
                                  THEN result.reason ELSE delivery.reason END,
                    gateway_ref = result.gateway_ref, changed_at = %s
                FROM result JOIN locked USING (id)
                WHERE delivery.id = result.id AND delivery.id >= %s AND delivery.id < %s
                """,
                [
                    deliveries,
                    [int(_STATES[result.outcome]) for result in known],
                    [result.gateway_ref for result in known],
                    [result.reason for result in known],
                    *(deliveries, *claim.ids, now, *claim.ids),
                ],
            )
        if put_back:
            cursor.execute(
                """
                UPDATE notifications_delivery SET state = %s, changed_at = %s
                WHERE id = ANY(%s) AND state = %s AND id >= %s AND id < %s
                """,
                [State.QUEUED, now, put_back, State.SENDING, *claim.ids],
            )


def _holds_back(gateway: gateways.Gateway, results: Sequence[Result]) -> bool:
    """Whether the gateway wants a rest; then every worker's turn comes later."""
    rests = [
        result.retry_after if result.outcome is Outcome.THROTTLED else UNREACHABLE_SECONDS
        for result in results
        if result.outcome in (Outcome.THROTTLED, Outcome.NOT_SENT)
    ]
    if rests:
        pacing.hold_back(gateway.name, seconds=max(rests))
    return bool(rests)


def _pause(claim: Claim, reason: str, *, now: datetime) -> None:
    """Pause the campaign, unless another worker or a person has just done so."""
    logger.warning("campaign %s pauses: %s", claim.campaign_id, reason)
    with contextlib.suppress(campaigns.WrongState):
        campaigns.pause_campaign(claim.campaign_id, by=campaigns.SYSTEM, now=now, reason=reason)
