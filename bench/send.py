"""A campaign through a real Celery worker to a carrier on the loopback interface.

Ours is everything from the bell to the last state in the database: claim, re-check, open records,
sign links, request, results. The floor is plain threads that push the same messages, written
beforehand, in the same requests at the same carrier, and keep nothing. Once with a message a
request, where requests are the work, and once with five hundred, where they are next to none. The
carrier only reads and answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench import Row, Scale
from bench.dialects import ANSWERS, CARRIER, rate

PROCESSES = 2
AT_ONCE = {"openchatbot": 100, "http_batch": 500}  # messages in one send
A_REQUEST = {"openchatbot": 1, "http_batch": 500}


def measure(scale: Scale) -> Iterator[Row]:
    from django.conf import settings

    from tests.gateways.http_ways import OPTIONS

    with _process("-c", CARRIER, json.dumps(ANSWERS)) as carrier:
        assert carrier.stdout is not None
        port = int(carrier.stdout.readline())
        for dialect, name in (("openchatbot", "send"), ("http_batch", "send in batches")):
            url = f"http://127.0.0.1:{port}/{dialect}"
            settings.GATEWAYS = {
                "sms": {"dialect": dialect, "url": url, "rate": 10_000_000}
                | {"batch_size": AT_ONCE[dialect], **OPTIONS[dialect]}
            }
            ours = scale.rows / _send(_make_campaign(scale.rows))
            floor = _floor(dialect, scale.rows)
            note = f"{scale.rows:,} messages, {A_REQUEST[dialect]} a request, {PROCESSES} processes"
            yield Row(name, ours, floor, "messages/s", is_rate=True, note=note)


def _floor(dialect: str, rows: int) -> float:
    """Messages a second when as many plain threads as there are processes push them."""
    from tests.gateways.http_ways import message
    from voting_portal.gateways import gateway

    size = AT_ONCE[dialect]
    messages = [message(str(number), f"154{number:08d}") for number in range(size)]
    carrier = gateway("sms")
    return rate(lambda: carrier.send(messages), -(-rows // size), size)


def _make_campaign(holders: int) -> Any:
    from django.utils import timezone

    from notifications import campaigns
    from notifications.routing import plan_of
    from notifications.wording import default_wording
    from tests.factories import make_holders, make_meeting

    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, holders)
    campaign = campaigns.plan_campaign(
        meeting.pk, wording=default_wording(), plan=plan_of("sms"), by="operator:1", now=now
    )
    campaigns.approve_campaign(campaign.pk, by="operator:2", now=now)
    return campaigns.start_campaign(campaign.pk, by="operator:1", now=now)


def _send(campaign: Any) -> float:
    """Seconds from the bell to the end of the campaign; the worker runs before it."""
    import redis
    from django.conf import settings
    from django.db import connection
    from psycopg.conninfo import make_conninfo

    from notifications import tasks
    from notifications.models import Campaign, Delivery

    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    names |= {"HOST": "host", "PORT": "port"}
    database = connection.settings_dict
    worker = (
        *("-W", "ignore", "-m", "celery", "-A", "voting_portal", "worker", "--loglevel=ERROR"),
        *("--pool=prefork", f"--concurrency={PROCESSES}", "--queues=sending"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    environment = {
        "DATABASE_URL": make_conninfo(**{n: database[k] for k, n in names.items() if database[k]}),
        "REDIS_URL": settings.REDIS_URL,
        "GATEWAYS": json.dumps(settings.GATEWAYS),
    }
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete(tasks.SENDING_QUEUE)
    with _process(*worker, **environment):
        # A worker that is up takes a bell for nothing at once.
        tasks.send_batch.delay(0)
        while broker.llen(tasks.SENDING_QUEUE):
            time.sleep(0.05)
        time.sleep(0.5)
        began = time.perf_counter()
        tasks.ring()
        while not Campaign.objects.filter(pk=campaign.pk, state="DONE").exists():
            time.sleep(0.02)
        took = time.perf_counter() - began
    accepted = Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.ACCEPTED)
    assert accepted.count() == campaign.planned
    return took


@contextlib.contextmanager
def _process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process with its children, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
