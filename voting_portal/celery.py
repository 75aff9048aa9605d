"""The workers' side: Celery carries ids of batches, never personal data."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
app = Celery("voting_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
