"""Processes of a test's own: a carrier, Celery workers, and what to wait for; ended with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from notifications import tasks
from notifications.models import Campaign, Delivery
from voting_portal.gateways.simulator.inbox import Inbox


class Carrier:
    """The simulator as a process of its own, and what its phones received."""

    def __init__(self, start, inbox_file):
        self.start = start
        self.process = start(0)
        self.url = self.process.stdout.readline().split()[-1].rstrip("/")
        self.inbox = Inbox(inbox_file)

    def restart(self):
        """After it was killed: again, at the same address."""
        self.process = self.start(urlsplit(self.url).port)
        self.process.stdout.readline()

    def fail(self, **faults):
        body = json.dumps(faults).encode()
        request = urllib.request.Request(f"{self.url}/faults", body, method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def received(self):
        """How many messages each phone got."""
        return Counter(m.phone for m in self.inbox.read(limit=1_000_000))


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

    def start(port):
        return processes(
            *("manage.py", "run_simulator", f"--port={port}"),
            *(f"--portal={live_server.url}", f"--inbox={file}"),
        )

    carrier = Carrier(start, file)
    sms = {**settings.GATEWAYS["sms"], "url": carrier.url, "batch_size": 50, "rate": 50_000}
    settings.GATEWAYS = {"sms": sms}
    yield carrier
    carrier.inbox.close()


@pytest.fixture
def surroundings(settings, carrier):
    """The environment in which a process works on the test's database, for this carrier."""

    def read():
        database = connection.settings_dict
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
        names |= {"HOST": "host", "PORT": "port"}
        server = {name: database[key] for key, name in names.items() if database[key]}
        return {
            "DATABASE_URL": make_conninfo(**server),
            "REDIS_URL": settings.REDIS_URL,
            "GATEWAYS": json.dumps(settings.GATEWAYS),
        }

    return read


@pytest.fixture
def start_worker(processes, surroundings):
    def start():
        return processes(
            *("-m", "celery", "-A", "voting_portal", "worker", "--pool=prefork"),
            *("--concurrency=2", "--queues=sending,periodic", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            PGAPPNAME="worker",
            **surroundings(),
        )

    return start


def wait_until(is_so, *, seconds=60.0, ring=True):
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
