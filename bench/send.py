"""A campaign through a real Celery worker to a carrier on the loopback interface.

Ours is everything from the bell to the last state in the database: claim, re-check, open records,
sign links, request, results. The floor is plain threads that push the same messages, written
beforehand, in the same signed requests at the same carrier, and keep nothing. The carrier only
reads and answers.
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
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import Row, Scale

PROCESSES = 2
BATCH = 500
CARRIER = """
import http.server, json, sys
class Carrier(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [{"id": item["id"], "status": "accepted", "ref": "1"} for item in items]
        body = json.dumps(answers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Carrier)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""


def measure(scale: Scale) -> Iterator[Row]:
    from django.conf import settings

    with _process("-c", CARRIER) as carrier:
        assert carrier.stdout is not None
        port = int(carrier.stdout.readline())
        options = {"dialect": "http_batch", "url": f"http://127.0.0.1:{port}", "secret": "bench"}
        settings.GATEWAYS = {"sms": {**options, "rate": 10_000_000}}
        campaign = _make_campaign(scale.rows)
        ours = scale.rows / _send(campaign)
        floor = scale.rows / _push(scale.rows)
    note = f"{scale.rows:,} messages, {PROCESSES} worker processes, {BATCH} a request"
    yield Row("send", ours, floor, "messages/s", is_rate=True, note=note)


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


def _push(number: int) -> float:
    """Seconds in which plain threads push as many messages in the same requests."""
    from voting_portal.gateways import Message, gateway

    text = "【上证信息】您持有的虚构一(600001)6月26日开股东会,点此投票 " + "0" * 49 + " 请勿转发"
    messages = [Message("9" * 18, f"154{n:08d}", text) for n in range(BATCH)]
    carrier = gateway("sms")
    began = time.perf_counter()
    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(carrier.send, [messages] * -(-number // BATCH)))
    return time.perf_counter() - began


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
