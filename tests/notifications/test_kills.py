"""kill -9 of workers, of Redis and of the gateway while 20,000 messages are on their way.

Nobody gets two, nobody is forgotten, and what nobody can say is parked as unknown.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from notifications import claims, dispatching
from notifications.models import Campaign, Delivery
from tests.factories import make_holders, make_meeting
from tests.notifications.conftest import start_campaign
from tests.notifications.processes import has_left_the_database, is_done, kill, states, wait_until
from voting_portal import embedded
from voting_portal.gateways.simulator.carrier import is_reachable

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
HOLDERS = 20_000
SUB_BATCH = 50
REACHABLE = {p for n in range(1, HOLDERS + 1) if is_reachable(p := f"154{n:08d}")}
# What the beat does every fifteen seconds, here every second.
BEAT = """
import time, django
django.setup()
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from notifications import tasks
while True:
    try:
        tasks.ring()
    except (OperationalError, RedisError):
        pass
    time.sleep(1)
"""


class Broker:
    """A Redis of the test's own, that keeps nothing."""

    def __init__(self, folder):
        self.socket = Path(folder) / "redis.sock"
        self.process = None

    def start(self):
        program = embedded._redis_program()
        where = ("--port", "0", "--unixsocket", self.socket, "--dir", self.socket.parent)
        self.process = subprocess.Popen(
            [program, *where, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        wait_until(self.answers, ring=False)

    def answers(self):
        try:
            return self.client().ping()
        except redis.RedisError:
            return False

    def client(self):
        return redis.Redis(unix_socket_path=str(self.socket), single_connection_client=True)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def broker(settings):
    folder = tempfile.mkdtemp()  # a socket's path must be short
    broker = Broker(folder)
    broker.start()
    settings.REDIS_URL = f"unix://{broker.socket}?db=0"
    yield broker
    broker.kill()
    shutil.rmtree(folder)


@pytest.fixture
def campaign(carrier):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    return start_campaign(meeting, alarm_percent=100)


@pytest.fixture
def start_beat(processes, surroundings):
    def start():
        environment = {"DJANGO_SETTINGS_MODULE": "voting_portal.settings", **surroundings()}
        return processes("-W", "ignore", "-c", BEAT, **environment)

    return start


@contextmanager
def until(carrier, received, *, delay=0.02):
    """Go on until so many messages were received, then leave some in flight for the disaster."""
    carrier.fail(delay=delay, no_receipts=True)
    wait_until(lambda: carrier.inbox.count() > received, ring=False, seconds=40)
    carrier.fail(delay=3.0, no_receipts=True)
    time.sleep(0.3)
    yield
    if carrier.process.poll() is None:
        carrier.fail(delay=delay, no_receipts=True)


def test_nobody_gets_two_and_nobody_is_forgotten(
    broker, campaign, carrier, start_worker, start_beat
):
    worker = start_worker()
    start_beat()

    with until(carrier, 2_000):
        kill(worker)
        wait_until(has_left_the_database, ring=False)
    parked = claims.reap(now=timezone.now() + timedelta(minutes=6))
    start_worker()

    with until(carrier, 5_000):
        broker.client().flushall()

    with until(carrier, 8_000):
        broker.kill()
    wait_until(lambda: "SENDING" not in states(campaign), ring=False)
    sent_without_redis = states(campaign)["QUEUED"]
    hindrance = dispatching.hindrance(Campaign.objects.get(pk=campaign.pk))
    time.sleep(1)
    stood_still = states(campaign)["QUEUED"] == sent_without_redis
    broker.start()

    with until(carrier, 12_000):
        kill(carrier.process)
    wait_until(lambda: "SENDING" not in states(campaign), ring=False)
    carrier.restart()
    carrier.fail(no_receipts=True)
    wait_until(is_done(campaign), ring=False, seconds=60)

    assert 0 < parked <= 2 * SUB_BATCH
    assert hindrance.startswith("Redis没有响应")
    assert stood_still
    unknown = Delivery.objects.of_campaign(campaign).filter(state=Delivery.State.UNKNOWN)
    in_the_dark = {f"154{delivery.holder_id % 2**28:08d}" for delivery in unknown}
    assert parked <= len(in_the_dark) <= parked + 2 * SUB_BATCH
    assert states(campaign) == {
        "ACCEPTED": HOLDERS - len(in_the_dark),
        "UNKNOWN": len(in_the_dark),
    }
    received = carrier.received()
    assert set(received.values()) == {1}
    assert received.keys() | in_the_dark >= REACHABLE
