"""What workers do for the apps that know no broker: load registers, show that the timer rings."""

from __future__ import annotations

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from meetings.register import receiving
from voting_portal import detection
from voting_portal.facts import TIMER_KEY


@shared_task
def load_registers() -> None:
    """Check and load the registers that were received, until none waits."""
    while receiving.load_next(now=timezone.now()):
        pass


@shared_task
def look_for_incidents() -> None:
    """Look at facts, sums and journal, and raise what is found."""
    detection.look(now=timezone.now())


@shared_task
def note_the_time() -> None:
    """Leave the time where the monitoring looks: beat and a worker of `periodic` are alive."""
    cache.set(TIMER_KEY, timezone.now().timestamp(), timeout=None)
