"""The workers' side: Celery carries ids of batches, never personal data."""

from __future__ import annotations

import os

from celery import Celery

from voting_portal import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
# Where traces are asked for, each task is a span (tracing.py).
app = Celery(
    "voting_portal",
    task_cls="voting_portal.tracing:TracedTask" if env.optional("TRACES_URL") else None,
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
