"""Delivery receipts: in over HTTP and applied, beside a bare view that INSERTs the same lines.

The carrier posts a hundred receipts at a time, over four connections, to gunicorn; a worker applies
them meanwhile, as the beat would have it. The clock stops when the last delivery is DELIVERED.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from bench import Row, Scale
from bench.meetings import make_meeting
from bench.open_page import gunicorn
from notifications.models import Campaign, Delivery
from notifications.planning import plan_deliveries
from notifications.receipts import RECEIPTS_AT_ONCE, apply_waiting
from notifications.routing import plan_of
from voting_portal.gateways.signing import signed_headers

LINES_A_POST = 100
CONNECTIONS = 4
BARE_TABLE = "CREATE TABLE bare_receipt (ref text, status text, at timestamptz DEFAULT now())"


def measure(scale: Scale) -> Iterator[Row]:
    """Every delivery of a campaign is ACCEPTED; then the receipts come."""
    meeting = make_meeting(scale.rows)
    campaign = Campaign.objects.create(
        meeting=meeting, number=0, plan=plan_of("sms"), created_by="operator:1"
    )
    plan_deliveries(campaign, now=timezone.now())
    deliveries = Delivery.objects.of_campaign(campaign)
    deliveries.update(state=Delivery.State.ACCEPTED)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE notifications_delivery")
        cursor.execute(BARE_TABLE)
    posts = _write_posts(list(deliveries.order_by("id").values_list("id", flat=True)))
    path = reverse("notifications:receipts", args=["sms"])
    with gunicorn() as port:
        _post_all(port, "/bare-receipts", posts[:CONNECTIONS])  # until all processes are warm
        floor = scale.rows / _post_all(port, "/bare-receipts", posts)
        ours = scale.rows / _post_and_apply(port, path, posts)
    assert not deliveries.exclude(state=Delivery.State.DELIVERED).exists()
    note = f"{scale.rows:,} receipts, {LINES_A_POST} a post; floor: a bare view's INSERT of them"
    yield Row("receipts", ours, floor, "receipts/s", is_rate=True, note=note)


def _write_posts(deliveries: Sequence[int]) -> list[bytes]:
    return [
        json.dumps(
            [{"id": str(ref), "status": "delivered"} for ref in deliveries[at : at + LINES_A_POST]]
        ).encode()
        for at in range(0, len(deliveries), LINES_A_POST)
    ]


def _post_and_apply(port: int, path: str, posts: Sequence[bytes]) -> float:
    """Seconds from the first post until everything that came in is applied."""
    is_in = threading.Event()

    def apply() -> None:
        try:
            while True:
                is_last_look = is_in.is_set()
                if apply_waiting(now=timezone.now()) < RECEIPTS_AT_ONCE:
                    if is_last_look:
                        return
                    time.sleep(0.05)
        finally:
            connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(1) as worker:
        applied = worker.submit(apply)
        _post_all(port, path, posts)
        is_in.set()
        applied.result()
    return time.perf_counter() - began


def _post_all(port: int, path: str, posts: Sequence[bytes]) -> float:
    """Seconds in which the carrier got rid of all of them."""
    secret = settings.GATEWAYS["sms"]["secret"]

    def post(connection_number: int) -> None:
        carrier = http.client.HTTPConnection("127.0.0.1", port)
        for body in posts[connection_number::CONNECTIONS]:
            headers = signed_headers(secret, body, now=timezone.now())
            carrier.request("POST", path, body, headers)
            answer = carrier.getresponse()
            answer.read()
            if answer.status != 204:
                raise RuntimeError(f"HTTP {answer.status}")
        carrier.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as carriers:
        list(carriers.map(post, range(CONNECTIONS)))
    return time.perf_counter() - began
