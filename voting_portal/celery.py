"""The workers' side: Celery carries ids of batches, never personal data.

A task carries the id of the request that asked for it, too, so that the lines of both can be put
together; what the timer asks for has an id of its own.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, task_postrun, task_prerun

from voting_portal import env
from voting_portal.common.logs import request_id

HEADER = "portal_request"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
# Where traces are asked for, each task is a span (tracing.py).
app = Celery(
    "voting_portal",
    task_cls="voting_portal.tracing:TracedTask" if env.optional("TRACES_URL") else None,
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@before_task_publish.connect
def _send_the_id(headers: dict[str, Any], **_signal: object) -> None:
    headers[HEADER] = request_id.get() or secrets.token_hex(6)


@task_prerun.connect
def _take_the_id(task: Any, **_signal: object) -> None:
    request_id.set(task.request.get(HEADER) or secrets.token_hex(6))


@task_postrun.connect
def _give_it_back(**_signal: object) -> None:
    request_id.set("")
