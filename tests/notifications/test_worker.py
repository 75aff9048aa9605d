"""A campaign through a real Celery worker to a simulator process, with receipts back over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from datetime import timedelta

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from notifications import campaigns, claims, receipts, tasks
from notifications.models import Campaign, Delivery
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import PLANNER, start_campaign
from voting_portal.gateways.simulator.carrier import is_reachable
from voting_portal.gateways.simulator.inbox import Inbox

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
HOLDERS = 2_000
PHONES = {f"154{n:08d}" for n in range(1, HOLDERS + 1)}
REACHABLE = {phone for phone in PHONES if is_reachable(phone)}


class Carrier:
    """The simulator as a process of its own, and what its phones received."""

    def __init__(self, process, inbox_file):
        self.process = process
        self.url = process.stdout.readline().split()[-1].rstrip("/")
        self.inbox = Inbox(inbox_file)

    def fail(self, **faults):
        body = json.dumps(faults).encode()
        request = urllib.request.Request(f"{self.url}/faults", body, method="POST")
        with urllib.request.urlopen(request, timeout=5):
            pass

    def received(self):
        """How many messages each phone got."""
        return Counter(m.phone for m in self.inbox.read(limit=10 * HOLDERS))


@pytest.fixture
def processes():
    """Start processes in groups of their own; whatever still runs is killed at the end."""
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=django_settings.BASE_DIR,
            env={**os.environ, **environment},
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        kill(process)


def kill(process):
    """kill -9 of the process and all its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture
def carrier(processes, live_server, tmp_path, settings):
    file = tmp_path / "inbox.sqlite3"
    process = processes(
        *("manage.py", "run_simulator", "--port=0"),
        *(f"--portal={live_server.url}", f"--inbox={file}"),
    )
    carrier = Carrier(process, file)
    sms = {**settings.GATEWAYS["sms"], "url": carrier.url, "batch_size": 50, "rate": 50_000}
    settings.GATEWAYS = {"sms": sms}
    yield carrier
    carrier.inbox.close()


@pytest.fixture
def start_worker(processes, settings, carrier):
    def start():
        database = connection.settings_dict
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
        names |= {"HOST": "host", "PORT": "port"}
        server = {name: database[key] for key, name in names.items() if database[key]}
        return processes(
            *("-m", "celery", "-A", "voting_portal", "worker", "--pool=prefork"),
            *("--concurrency=2", "--queues=sending,periodic", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            DATABASE_URL=make_conninfo(**server),
            PGAPPNAME="worker",
            REDIS_URL=settings.REDIS_URL,
            GATEWAYS=json.dumps(settings.GATEWAYS),
        )

    return start


@pytest.fixture
def campaign(carrier):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    return start_campaign(meeting)


def wait_until(is_so, *, seconds=20.0, ring=True):
    """Wait, ringing as the beat would."""
    deadline = time.monotonic() + seconds
    bell = 0.0
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        if ring and time.monotonic() > bell:
            tasks.ring()
            bell = time.monotonic() + 1.0
        time.sleep(0.02)


def is_done(campaign):
    return lambda: Campaign.objects.filter(pk=campaign.pk, state="DONE").exists()


def has_left_the_database():
    """Whether the server has finished the last statements of the worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'worker'")
        return cursor.fetchone() == (0,)


def states(campaign):
    counted = Counter(Delivery.objects.of_campaign(campaign).values_list("state", flat=True))
    return {Delivery.State(state).name: number for state, number in counted.items()}


def test_everybody_gets_it_once_and_every_receipt_finds_its_way(campaign, carrier, start_worker):
    start_worker()

    wait_until(is_done(campaign))

    def receipts_are_in():
        receipts.apply_waiting(now=timezone.now())
        return states(campaign) == {"DELIVERED": len(REACHABLE), "FAILED": HOLDERS - len(REACHABLE)}

    wait_until(receipts_are_in, ring=False)
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)


def test_a_killed_worker_sends_nobody_twice_and_forgets_nobody(campaign, carrier, start_worker):
    carrier.fail(delay=0.1, no_receipts=True)
    worker = start_worker()
    wait_until(lambda: carrier.inbox.count() > 400)
    carrier.fail(delay=4.0, no_receipts=True)
    time.sleep(0.7)  # until the requests with the short delay are over
    in_hand = 2 * 50  # a sub-batch in each process of the worker
    wait_until(lambda: states(campaign).get("SENDING") == in_hand)
    kill(worker)
    wait_until(has_left_the_database, ring=False)
    carrier.fail(no_receipts=True)

    parked = claims.reap(now=timezone.now() + timedelta(minutes=6))
    start_worker()
    wait_until(is_done(campaign))

    assert parked == in_hand
    assert states(campaign) == {"ACCEPTED": HOLDERS - parked, "UNKNOWN": parked}
    received = carrier.received()
    assert set(received.values()) == {1}
    unknown = Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.UNKNOWN)
    without_answer = {f"154{delivery.holder_id % 2**28:08d}" for delivery in unknown}
    assert received.keys() | without_answer >= REACHABLE


def test_a_flushed_broker_loses_nothing(campaign, carrier, start_worker, settings):
    carrier.fail(delay=0.05, no_receipts=True)
    start_worker()
    wait_until(lambda: carrier.inbox.count() > 100)

    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.flushall()
    wait_until(is_done(campaign))

    assert states(campaign) == {"ACCEPTED": HOLDERS}
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)


def test_a_pause_stops_both_workers_at_once_and_resuming_repeats_nothing(
    campaign, carrier, start_worker
):
    carrier.fail(delay=0.1, no_receipts=True)
    start_worker()
    wait_until(lambda: carrier.inbox.count() > 100)

    campaigns.pause_campaign(campaign.pk, by=PLANNER, now=timezone.now())
    handed_over = HOLDERS - states(campaign)["QUEUED"]
    wait_until(lambda: "SENDING" not in states(campaign), ring=False)
    time.sleep(0.3)

    assert states(campaign) == {"ACCEPTED": handed_over, "QUEUED": HOLDERS - handed_over}
    carrier.fail(no_receipts=True)
    campaigns.resume_campaign(campaign.pk, by=PLANNER, now=timezone.now())
    wait_until(is_done(campaign))
    assert carrier.received() == dict.fromkeys(REACHABLE, 1)
