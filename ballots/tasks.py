"""What the timer does for the polls."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from meetings import lifecycle


@shared_task
def move_polls() -> None:
    """Open and close the polls that are due; ballots never wait for this."""
    lifecycle.move_due_polls(now=timezone.now())
