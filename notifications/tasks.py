"""What workers and the beat run. A task carries a batch's id; lost or repeated it does no harm."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from notifications import campaigns, claims, dispatching, recalling, receipts, reconciling
from voting_portal.gateways import pacing

SENDING_QUEUE = "sending"
RECALL_SECONDS = 10.0  # then other tasks of the queue have their turn
BATCHES_RUNG = 1_000  # half a million messages: more than workers send between two rounds

logger = logging.getLogger(__name__)


@shared_task(name="notifications.tasks.send_batch")
def send_batch(batch_id: int) -> None:
    """Send one batch, unless somebody else has claimed it."""
    dispatching.send_batch(batch_id, clock=timezone.now)


@shared_task(name="notifications.tasks.ring")
def ring() -> None:
    """Wake workers for the batches that wait and that the broker's queue does not hold yet.

    The queue's length is that of Redis's list; when Redis was flushed it is 0 and all are rung.
    """
    rung = int(pacing.redis_client(settings.REDIS_URL).llen(SENDING_QUEUE))
    waiting = claims.next_round(already_rung=rung, at_most=BATCHES_RUNG, now=timezone.now())
    for batch_id in waiting:
        send_batch.delay(batch_id)


def ring_now() -> None:
    """Ring without waiting for the beat's next round; when Redis is away, that round will do."""
    try:
        ring.delay()
    except OperationalError as error:
        logger.warning("no bell now: %s", type(error).__name__)


@shared_task(name="notifications.tasks.plan")
def plan() -> None:
    """Freeze the next part of the audiences that are being frozen; then again, until all are."""
    if campaigns.plan_waiting(now=timezone.now()):
        plan.delay()


def plan_now() -> None:
    """Begin without waiting for the beat's next round; when Redis is away, that round will do."""
    try:
        plan.delay()
    except OperationalError as error:
        logger.warning("no bell now: %s", type(error).__name__)


@shared_task(name="notifications.tasks.recall")
def recall() -> None:
    """Call back what cancelled campaigns have handed over, a while at a time."""
    if recalling.recall_waiting(now=timezone.now(), seconds=RECALL_SECONDS):
        recall.delay()


@shared_task(name="notifications.tasks.apply_receipts")
def apply_receipts() -> None:
    """Apply the receipts that came in, until none is due."""
    now = timezone.now()
    while receipts.apply_waiting(now=now) == receipts.RECEIPTS_AT_ONCE:
        pass


@shared_task(name="notifications.tasks.reconcile")
def reconcile() -> None:
    """Every night: settle what no receipt has settled."""
    reconciling.reconcile(now=timezone.now())
