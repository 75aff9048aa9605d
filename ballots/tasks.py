"""What the timer does for the polls and the tallies."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from ballots import counting
from meetings import lifecycle

logger = logging.getLogger(__name__)


@shared_task
def move_polls() -> None:
    """Open and close the polls that are due; ballots never wait for this."""
    lifecycle.move_due_polls(now=timezone.now())


@shared_task
def count_tallies() -> None:
    """Count one tally that was opened; then again, until none waits."""
    if counting.count_next(now=timezone.now()):
        count_tallies.delay()


def count_now() -> None:
    """Begin without waiting for the beat's next round; when Redis is away, that round will do."""
    try:
        count_tallies.delay()
    except OperationalError as error:
        logger.warning("no bell now: %s", type(error).__name__)
