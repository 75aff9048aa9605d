"""Sending a batch: what is committed before bytes leave, and what the answers mean.

The promise is at most once: a delivery is SENDING in the database before its message leaves, and
from there it never comes back unless the gateway says that it certainly was not sent. A message
without an answer is UNKNOWN and stays so until a receipt tells. No transaction is open while the
network is waited for.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import MeetingKey
from meetings.register.records import phone_in, record_context
from notifications import (
    campaigns,
    capabilities,
    claims,
    easing,
    hours,
    outcomes,
    suppressions,
    wording,
)
from notifications.claims import Claim
from notifications.models import Campaign, Delivery
from voting_portal import gateways
from voting_portal.common import ids, sealing
from voting_portal.gateways import Message, Outcome, Result, pacing

PATIENCE_SECONDS = 60.0  # for a turn at the gateway; a claimed batch is given back after it
SETBACKS = 3  # throttled or unreachable so often in a row: leave the batch to a later round
UNREACHABLE_SECONDS = 3.0
NOTICEABLE_REST_SECONDS = 2.0  # longer than the pace itself ever closes a line
# A campaign pauses by itself when of one batch so many failed or got no answer, and as large a
# share as it says.
ALARMING_FAILURES = 50

Clock = Callable[[], datetime]
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
        _pause(claim, _("会议的密钥已销毁，无法读取手机号码。"), now=clock())
    except campaigns.CannotSend as refusal:
        _pause(claim, str(refusal), now=clock())
    claims.hand_back(claim, now=clock())
    if not claims.is_unfinished(claim.campaign_id):
        campaigns.finish_campaigns(now=clock())


def hindrance(campaign: Campaign) -> str:
    """Why a running campaign stands still just now, in words; blank when nothing holds it.

    It goes on by itself when the hindrance is gone, so nothing is stored: this asks anew.
    """
    if campaign.state != Campaign.State.RUNNING:
        return ""
    waiting = campaign.batches.filter(state="READY").order_by("gateway")
    for name in waiting.values_list("gateway", flat=True).distinct():
        try:
            if pacing.rest_of(name) > NOTICEABLE_REST_SECONDS:
                return _("通道“%(name)s”要求暂缓发送，稍后自动继续。") % {"name": name}
        except pacing.PaceUnknown:
            return _("Redis没有响应，无法确定发送速率：发送已停止，恢复后自动继续。")
    return ""


def _send_claimed(claim: Claim, *, clock: Clock) -> None:
    """Send sub-batches until none is queued, or something says stop."""
    campaign = Campaign.objects.select_related("meeting__issuer").get(pk=claim.campaign_id)
    campaigns.check_sendable(campaign)
    if not gateways.is_usable(claim.gateway):
        return  # others of the plan go on; easing.py gives them what waits for it
    gateway = gateways.gateway(claim.gateway)
    notice = wording.compose_for(campaign, wording.mode_of(claim.gateway))
    has_next_step = claim.step + 1 < len(campaign.plan)
    # No more at once than a second's worth, so that the pace is even.
    length = max(1, min(gateway.batch_size, int(gateway.rate / notice.segments)))
    answers: list[Outcome] = []
    setbacks = 0
    is_through = False
    while setbacks < SETBACKS and not is_through and (queued := _read_queued(claim)):
        is_through = True
        messages = _write_messages(claim, queued, notice, now=clock())
        if has_next_step:
            messages = _leave_out_unable(claim, gateway, messages, queued, now=clock())
        for at in range(0, len(messages), length):
            if not hours.may_send(campaign, clock()):
                return
            results = _hand_over(
                claim, gateway, messages[at : at + length], segments=notice.segments, clock=clock
            )
            if results is None:
                return
            answers += [result.outcome for result in results]
            if (refused := _refusal(results)) and easing.put_aside(
                claim, reason=refused, now=clock()
            ):
                return
            if reason := refused or _reason_to_pause(campaign, answers):
                _pause(claim, reason, now=clock())
                return
            setbacks = setbacks + 1 if _holds_back(gateway, results) else 0
            if setbacks:
                is_through = False
                break  # what was put back comes first again


def _hand_over(
    claim: Claim,
    gateway: gateways.Gateway,
    messages: Sequence[Message],
    *,
    segments: int,
    clock: Clock,
) -> list[Result] | None:
    """Send a sub-batch in its turn, of so many segments a message; None: send no more of it."""
    if not pacing.wait_for_turn(
        gateway.name,
        segments=segments * len(messages),
        rate=gateway.rate,
        patience=PATIENCE_SECONDS,
    ):
        return None
    leaving = outcomes.mark_sending(claim, [int(m.ref) for m in messages], now=clock())
    if leaving is None:
        return None
    results = gateway.send([m for m in messages if int(m.ref) in leaving]) if leaving else []
    outcomes.write_results(claim, results, now=clock())
    easing.count(gateway.name, handed=len(messages), failures=_count_faults(results), now=clock())
    return results


def _refusal(results: Sequence[Result]) -> str:
    """That the gateway refuses whatever it is handed, in words: blank when it does not."""
    for result in results:
        if result.outcome is Outcome.MISCONFIGURED:
            return _("通道拒绝了请求（%s），请检查通道设置。") % result.reason
    return ""


def _reason_to_pause(campaign: Campaign, answers: Sequence[Outcome]) -> str:
    """Why a person should look before more is sent: blank when nothing is wrong.

    `answers` are those of the whole batch so far.
    """
    failures = answers.count(Outcome.REJECTED) + answers.count(Outcome.UNKNOWN)
    if failures >= ALARMING_FAILURES and failures * 100 > campaign.alarm_percent * len(answers):
        # Without counts: what was tried of a batch of a reminder tells how many have voted.
        words = {"percent": campaign.alarm_percent}
        return _("失败或结果不明的短信超过%(percent)s%%。") % words
    return ""


class Queued(NamedTuple):
    """A delivery that waits, and what of its holder's row the message needs."""

    delivery: int
    holder: int
    generation: int
    name: str  # masked
    sealed: bytes
    phone_index: bytes


def _read_queued(claim: Claim) -> list[Queued]:
    """The deliveries of the batch that wait."""
    with connection.cursor() as cursor:
        # Materialized, lest ORDER BY tempt PostgreSQL to walk the whole partition by id.
        cursor.execute(
            """
            WITH queued AS MATERIALIZED (
                SELECT id, holder_id FROM notifications_delivery
                WHERE batch_id = %s AND state = %s AND id >= %s AND id < %s
            )
            SELECT queued.id, holder.id, holder.link_generation, holder.name_masked, holder.sealed,
                   holder.phone_index
            FROM queued JOIN meetings_holder AS holder ON holder.id = queued.holder_id
            WHERE holder.id = ANY (ARRAY(SELECT holder_id FROM queued))
              AND holder.id >= %s AND holder.id < %s ORDER BY queued.id
            """,
            [
                *(claim.batch_id, State.QUEUED, *claim.ids),
                *ids.holder_range(claim.meeting_id),
            ],
        )
        return [Queued._make(row) for row in cursor.fetchall()]


def _write_messages(
    claim: Claim,
    queued: Sequence[Queued],
    notice: wording.Notice,
    *,
    now: datetime,
) -> list[Message]:
    """A message for all whose record opens and who have not opted out; done with the others."""
    open_record = sealing.opener(meeting_key(claim.meeting_id, MeetingKey.Purpose.RECORDS))
    messages, unreadable = [], []
    for row in queued:
        ref = str(row.delivery)
        try:
            record = open_record(row.sealed, record_context(row.holder))
        except sealing.CannotOpen:
            unreadable.append(Result(ref, Outcome.REJECTED, reason="unreadable record"))
            continue
        messages.append(
            notice.message(
                ref=ref,
                phone=phone_in(record),
                holder=row.holder,
                generation=row.generation,
                name=row.name,
            )
        )
    if unreadable:
        outcomes.write_results(claim, unreadable, now=now)
    return _leave_out(
        claim,
        messages,
        suppressions.suppressed({message.phone for message in messages}),
        reason="opted out",
        now=now,
    )


def _leave_out_unable(
    claim: Claim,
    gateway: gateways.Gateway,
    messages: Sequence[Message],
    queued: Sequence[Queued],
    *,
    now: datetime,
) -> list[Message]:
    """The messages to phones that show them; for the others the plan's next step is due at once."""
    indexes = {str(row.delivery): bytes(row.phone_index) for row in queued}
    phones = {message.phone: indexes[message.ref] for message in messages}
    unable = capabilities.find_unable(gateway, phones, now=now)
    return _leave_out(claim, messages, unable, reason=outcomes.NO_CAPABILITY, now=now)


def _leave_out(
    claim: Claim, messages: Sequence[Message], phones: Set[str], *, reason: str, now: datetime
) -> list[Message]:
    """The messages to other phones than these; those to them are skipped."""
    skipped = [int(message.ref) for message in messages if message.phone in phones]
    if skipped:
        outcomes.skip(claim, skipped, reason=reason, now=now)
    return [message for message in messages if message.phone not in phones]


def _count_faults(results: Sequence[Result]) -> int:
    """Messages that the gateway, not a phone, kept from leaving for certain."""
    return sum(result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) for result in results)


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
