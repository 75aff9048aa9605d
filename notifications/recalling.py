"""Calling back (撤回) what a cancelled campaign handed over and no phone has shown yet.

Some gateways can take a message back until it arrives. Cancelling notes the batches that they had;
the beat's rounds then ask for them one by one, and a batch is through when its gateway has answered
for all of it, so whoever dies in between is followed by another who asks again, which does no harm.
That a message was taken back, is told by a receipt; one that arrived first stays delivered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import MeetingKey
from meetings.register.records import phone_in, record_context
from notifications.models import Campaign, Delivery, DeliveryBatch
from notifications.progress import tells_of_votes
from notifications.reasons import REVOKED
from voting_portal import gateways
from voting_portal.common import ids, locks, sealing
from voting_portal.gateways import pacing
from voting_portal.gateways.protocol import CannotAsk, CanRevoke, Handed

ASKED_AT_ONCE = 100
PATIENCE_SECONDS = 60.0
GIVE_UP_AFTER = timedelta(hours=72)  # later no carrier holds a message any more

State = Delivery.State
Recall = DeliveryBatch.Recall
UNDER_WAY = (State.UNKNOWN, State.ACCEPTED, State.NETWORK)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecallProgress:
    """How far the recall of a cancelled campaign has come; messages, but for `batches` and `due`.

    While its figures would tell who has voted they are None.
    """

    batches: int
    due: int
    asked: int | None
    taken: int | None  # of those asked: the gateway said that it will try
    revoked: int | None  # a receipt said that it did

    @property
    def refused(self) -> int | None:
        return None if self.asked is None or self.taken is None else self.asked - self.taken


def begin_recall(campaign: Campaign) -> int:
    """Note the batches to call back, of gateways that can; return how many. Asks nobody yet."""
    names = [name for name in _gateways_of(campaign) if _can_revoke(name)]
    begun = campaign.batches.filter(gateway__in=names).exclude(state="READY", is_begun=False)
    return begun.update(recall=Recall.DUE)


def recall_waiting(*, now: datetime, seconds: float) -> bool:
    """Ask for the batches that are due, oldest first, for so long; whether any is left.

    One process at a time. Ends early when a carrier or Redis does not answer: the next round tries
    again.
    """
    until = time.monotonic() + seconds
    with locks.held_by_the_process(locks.RECALL, "recall") as is_mine:
        if not is_mine:
            return False
        for batch in _due(now):
            if time.monotonic() > until:
                return True
            try:
                _recall(batch)
            except (CannotAsk, pacing.PaceUnknown) as refusal:
                logger.warning("batch %s is not called back yet: %s", batch.pk, refusal)
                return False
    return False


def recall_progress(campaign: Campaign) -> RecallProgress | None:
    """What came of calling it back; None where there was nothing to call back."""
    figures = campaign.batches.exclude(recall="").aggregate(
        batches=Count("id"),
        due=Count("id", filter=Q(recall=Recall.DUE)),
        asked=Sum("recall_asked", default=0),
        taken=Sum("recall_taken", default=0),
    )
    if not figures["batches"]:
        return None
    if tells_of_votes(campaign):
        return RecallProgress(figures["batches"], figures["due"], None, None, None)
    revoked = Delivery.objects.of_campaign(campaign).filter(state=State.EXPIRED, reason=REVOKED)
    return RecallProgress(**figures, revoked=revoked.count())


def _due(now: datetime) -> Iterator[DeliveryBatch]:
    """Batches that are due; of one that is still leased, messages may yet be leaving."""
    due = DeliveryBatch.objects.filter(recall=Recall.DUE, campaign__done_at__gt=now - GIVE_UP_AFTER)
    due = due.exclude(state="LEASED").select_related("campaign").order_by("id")
    batch = due.first()
    while batch is not None:
        yield batch
        batch = due.filter(pk__gt=batch.pk).first()


def _recall(batch: DeliveryBatch) -> None:
    """Ask for all of a batch that is under way, and note how many were asked and taken."""
    if not gateways.is_usable(batch.gateway):
        raise CannotAsk("the gateway is put aside")
    gateway = gateways.gateway(batch.gateway)
    handed = _under_way(batch) if isinstance(gateway, CanRevoke) else []
    taken = 0
    for at in range(0, len(handed), ASKED_AT_ONCE):
        some = handed[at : at + ASKED_AT_ONCE]
        if not pacing.wait_for_turn(
            gateway.name, segments=len(some), rate=gateway.rate, patience=PATIENCE_SECONDS
        ):
            raise CannotAsk("the gateway's line is taken")
        assert isinstance(gateway, CanRevoke)
        taken += sum(gateway.revoke(some).values())
    DeliveryBatch.objects.filter(pk=batch.pk).update(
        recall=Recall.DONE, recall_asked=len(handed), recall_taken=taken
    )


def _under_way(batch: DeliveryBatch) -> list[Handed]:
    """What of a batch may still arrive; nothing when the meeting's keys are gone."""
    meeting_id = batch.campaign.meeting_id
    try:
        open_record = sealing.opener(meeting_key(meeting_id, MeetingKey.Purpose.RECORDS))
    except KeyDestroyed:
        return []
    first, end = ids.delivery_range(meeting_id)
    rows = Delivery.objects.filter(
        id__gte=first, id__lt=end, batch=batch, state__in=UNDER_WAY
    ).order_by("id")
    first_holder, end_of_holders = ids.holder_range(meeting_id)
    with_holders = rows.filter(holder__id__gte=first_holder, holder__id__lt=end_of_holders)
    found = []
    for delivery, gateway_ref, changed_at, holder, sealed in with_holders.values_list(
        "id", "gateway_ref", "changed_at", "holder_id", "holder__sealed"
    ):
        try:
            phone = phone_in(open_record(bytes(sealed), record_context(holder)))
        except sealing.CannotOpen:
            continue
        found.append(Handed(str(delivery), gateway_ref, phone, handed_at=changed_at))
    return found


def _gateways_of(campaign: Campaign) -> list[str]:
    return [way["gateway"] for step in campaign.plan for way in step]


def _can_revoke(name: str) -> bool:
    return gateways.is_usable(name) and isinstance(gateways.gateway(name), CanRevoke)
