"""Traces say which view and how long, to a collector on a real socket, and nothing of anybody."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from identity import voters
from identity.links import Link, personal_url
from tests.factories import make_holder, make_meeting
from voting_portal import tracing
from voting_portal.celery import app

pytestmark = pytest.mark.django_db


@pytest.fixture
def spans(settings, monkeypatch):
    """The finished spans of a portal whose traces are on."""
    kept = InMemorySpanExporter()
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(tracing, "provider", lambda: made)
    settings.MIDDLEWARE = ["voting_portal.tracing.TracingMiddleware", *settings.MIDDLEWARE]
    yield kept.get_finished_spans
    made.shutdown()


def path_of(holder):
    return f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"


def said(spans):
    """All that spans say, but for random numbers and times."""
    return str(
        [
            (
                span.name,
                [pair for pair in span.attributes.items() if pair[0] != "portal.request"],
                span.status.description,
                [(event.name, event.attributes) for event in span.events],
                span.links,
                span.resource.attributes.get("service.name"),
            )
            for span in spans
        ]
    )


def test_a_request_is_a_span_with_its_statements_below_it(spans):
    holder = make_holder(make_meeting())

    Client().get(path_of(holder))

    *below, request = spans()
    assert request.name == "ballots:link"
    assert request.attributes["http.request.method"] == "GET"
    assert request.attributes["http.response.status_code"] == 200
    assert re.fullmatch(r"[0-9a-f]{12}", request.attributes["portal.request"])
    assert {span.name for span in below} >= {"SELECT"}
    assert {span.parent.span_id for span in below} == {request.context.span_id}


def test_no_span_tells_whose_request_it_was(spans):
    holder = make_holder(make_meeting(), shares=71_117)
    client, link = Client(), path_of(holder)

    client.get(
        link, {"phone": "13800000000"}, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    )
    client.get(link[:-1] + "x")
    client.post("/enter", {"security_code": "600000", "vote_code": "ABCDE12345"})
    client.get("/nothing/of/the/kind/15400000001")

    text = said(spans())
    assert len(spans()) > 4
    for one in (link[3:], str(holder.pk), "张", "154", "71117", "13800000000", "ABCDE", "a" * 32):
        assert one not in text


def test_the_pages_of_a_ballot_leave_no_trace(spans):
    holder = make_holder(make_meeting())
    voter = voters.begin(Link(holder.pk, holder.meeting_id, 0), now=timezone.now())
    response, client = HttpResponse(), Client()
    voters.keep(response, voters.verified(voter, level=1, now=timezone.now()))
    client.cookies.update(response.cookies)
    before = len(spans())

    for name in ("ballot", "review", "cast", "confirmation"):
        client.get(reverse(f"ballots:{name}", args=[holder.meeting_id]))

    assert len(spans()) == before


def test_the_text_of_an_exception_is_not_told(spans):
    def fail(_span):
        raise ValueError("张小三 15400000001")

    with pytest.raises(ValueError, match="张小三"):
        tracing.traced("step", fail)

    (span,) = spans()
    assert "张" not in said([span])
    assert "154" not in said([span])


def test_a_task_is_a_span_without_what_it_was_called_with(spans):
    class Task(tracing.TracedTask):
        name = "notifications.tasks.some"

        def run(self, number):
            return number + 1

    task = app.register_task(Task())
    answer = task(15_400_000_001)
    app.tasks.unregister(task)

    assert answer == 15_400_000_002
    (span,) = spans()
    assert span.name == "notifications.tasks.some"
    assert "154" not in said([span])


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what is sent, as a collector does."""

    received: list[bytes] = []

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def ask_for_a_page(**environment: str) -> str:
    """A process of its own, as deployed, that answers one request; what it printed."""
    code = (
        "import django; django.setup(); from django.test import Client; import sys;"
        "print(Client().get('/robots.txt', headers={'host': '127.0.0.1'}).status_code);"
        "print('opentelemetry.sdk.trace' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "voting_portal.settings"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.servers
def test_spans_reach_a_collector_over_http():
    Collector.received.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        serving = threading.Thread(target=collector.serve_forever)
        serving.start()
        url = f"http://127.0.0.1:{collector.server_port}/v1/traces"

        ask_for_a_page(TRACES_URL=url, TRACES_PERCENT="100")
        collector.shutdown()
        serving.join()

    sent = [ExportTraceServiceRequest.FromString(body) for body in Collector.received]
    named = [
        span.name
        for request in sent
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert named == ["ballots:robots"]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("environment", "is_loaded"),
    [({}, "False"), ({"TRACES_URL": "http://127.0.0.1:9/v1/traces"}, "True")],
    ids=["off", "a collector that is gone"],
)
def test_off_it_is_not_even_loaded_and_a_collector_that_is_gone_stops_nobody(
    environment, is_loaded
):
    assert ask_for_a_page(**environment).split() == ["200", is_loaded]
