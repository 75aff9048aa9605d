"""Traces (调用链) for the exchange's collector, where TRACES_URL is set.

A request, a task and each statement of theirs is a span. A span says which view, which status,
which verb of SQL, and how long: no address, no parameter, no text of an exception, no holder and no
meeting. The pages of a ballot leave no trace at all, since their number would tell the turnout.
What clients send about traces of their own is not believed.

Nothing of it is loaded or asked while it is off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind

from voting_portal.celery import PortalTask
from voting_portal.metrics import QUIET

TIMEOUT_SECONDS = 3
Answer = TypeVar("Answer")


@functools.cache
def provider() -> TracerProvider:
    """This process's way to the collector; made at the first span, so after a fork."""
    made = TracerProvider(
        sampler=TraceIdRatioBased(settings.TRACES_PERCENT / 100),
        resource=Resource({"service.name": "voting-portal"}),
        shutdown_on_exit=True,
    )
    exporter = OTLPSpanExporter(endpoint=settings.TRACES_URL, timeout=TIMEOUT_SECONDS)
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


class TracingMiddleware:
    """A span for each request whose view may be told."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = _view_of(request)
        if view in QUIET:
            return self.get_response(request)
        name = view or "none"
        return traced(name, lambda span: self._answer(request, span), kind=SpanKind.SERVER)

    def _answer(self, request: HttpRequest, span: Span) -> HttpResponseBase:
        response = self.get_response(request)
        span.set_attribute("http.request.method", request.method or "")
        span.set_attribute("http.response.status_code", response.status_code)
        span.set_attribute("portal.request", response.get("X-Request-Id", ""))
        return response


def traced(
    name: str, step: Callable[[Span], Answer], *, kind: SpanKind = SpanKind.INTERNAL
) -> Answer:
    """What `step` returns, within a span of its own that has its statements below it."""
    with _span(name, kind) as span, connection.execute_wrapper(_statement):
        return step(span)


class TracedTask(PortalTask):
    """A task of the workers with a span of its name; what it was called with is not told."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return traced(
            str(self.name),
            lambda _span: super(TracedTask, self).__call__(*args, **kwargs),
            kind=SpanKind.CONSUMER,
        )


def _statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    verb = str(sql).split(maxsplit=1)[0].upper() if str(sql).strip() else ""
    with _span(verb if verb.isalpha() else "SQL", SpanKind.CLIENT):
        return execute(sql, *rest)


def _span(name: str, kind: SpanKind) -> AbstractContextManager[Span]:
    """Exceptions are left to the log, which masks them: their text may quote a row."""
    tracer = provider().get_tracer("voting_portal")
    return tracer.start_as_current_span(
        name, kind=kind, record_exception=False, set_status_on_exception=False
    )


def _view_of(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""
