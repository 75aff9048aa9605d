"""The workers' side: Celery carries ids of batches, never personal data.

A task carries the id of the request that asked for it, too, so that the lines of both can be put
together; what the timer asks for has an id of its own.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

from celery import Celery, Task

from voting_portal import env
from voting_portal.common.logs import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
HEADER = "portal_request"


class PortalTask(Task):  # type: ignore[type-arg]
    """A task of the workers that logs the request which asked for it."""

    def apply_async(self, *args: Any, **options: Any) -> Any:
        asked_in = request_id.get() or secrets.token_hex(6)
        options["headers"] = {HEADER: asked_in, **(options.get("headers") or {})}
        return super().apply_async(*args, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.request.called_directly:  # Celery says how it ended after this
            request_id.set(self.request.get(HEADER) or secrets.token_hex(6))
        return self.run(*args, **kwargs)


# Where traces are asked for, each task is a span (tracing.py).
app = Celery(
    "voting_portal",
    task_cls="voting_portal.tracing:TracedTask" if env.optional("TRACES_URL") else PortalTask,
)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
