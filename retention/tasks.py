"""What the timer does about personal data whose period is over."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from retention import purging


@shared_task
def purge_due() -> None:
    """Delete what is due or approved; one that was interrupted goes on where it was."""
    purging.purge_all(clock=timezone.now)
