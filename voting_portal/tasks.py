"""What workers do for the apps that know no broker: the loading of registers."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from meetings.register import receiving


@shared_task
def load_registers() -> None:
    """Check and load the registers that were received, until none waits."""
    while receiving.load_next(now=timezone.now()):
        pass
