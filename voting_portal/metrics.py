"""`/metrics` for the exchange's Prometheus: process counters and the facts of the moment.

Who has no token finds nothing here; nginx does not lead here at all. Each web container is asked
by its own address, which is no host name of the portal: the token is what lets the scraper in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from voting_portal.common import counters, worker_counts
from voting_portal.facts import Facts

PATH = "/metrics"
# Pages that only a voter on the way to a ballot sees. That they work is not counted, since it tells
# the turnout; that they fail is.
QUIET = {"ballots:ballot", "ballots:review", "ballots:cast", "ballots:confirmation"}


class CountingMiddleware:
    """Count every request by its view and status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        # A series that begins with its first failure never rises, and no alarm would see it.
        for view in QUIET:
            for status in (500, 503):
                counters.REQUESTS.labels(view, status)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == PATH:
            request.META["HTTP_HOST"] = urlsplit(settings.PUBLIC_URL).netloc
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = match.view_name if match else "none"
        if view not in QUIET:
            counters.SECONDS.labels(view).observe(time.perf_counter() - started)
        if view not in QUIET or response.status_code >= 400:
            counters.REQUESTS.labels(view, response.status_code).inc()
        return response


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything that is known now, in Prometheus' text; 404 without the token of the settings."""
    given = request.headers.get("Authorization", "")
    if not settings.METRICS_TOKEN or not constant_time_compare(
        given, f"Bearer {settings.METRICS_TOKEN}"
    ):
        raise Http404
    facts = CollectorRegistry()
    facts.register(Facts(now=timezone.now()))
    return HttpResponse(generate_latest(facts) + _counted(), content_type=CONTENT_TYPE_LATEST)


def _counted() -> bytes:
    """The counters: of all workers of this server, or of this process where it stands alone."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not directory:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    with worker_counts.steady(Path(directory)):
        return generate_latest(registry)
