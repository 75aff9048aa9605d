"""A campaign over the links of a gateway with a process of its own, and how that process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from meetings.models import Holder
from notifications import campaigns, claims, feeding, receipts
from notifications.models import Campaign, Delivery, DeliveryBatch, Receipt, Suppression
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holders, make_meeting
from tests.gateways import lines
from tests.gateways.lines import until
from tests.monitoring.log_lines import faulty
from tests.notifications.conftest import APPROVER, PLANNER
from voting_portal.gateways import pacing
from voting_portal.gateways.simulator.carrier import Faults, is_reachable
from voting_portal.gateways.simulator.dialects import Told

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
State = Delivery.State
SOON = timedelta(minutes=6)  # when every lease of now has run out


@pytest.fixture(autouse=True)
def _no_rest(settings):
    """What an earlier test asked the workers to wait is not this one's."""
    pacing.redis_client(settings.REDIS_URL).delete("pace:cmpp")


@pytest.fixture
def carrier(settings, tmp_path):
    """A simulated CMPP carrier, and the gateway `cmpp` that leads to it."""
    options = lines.options_of("cmpp3", batch_size=20, links=2)
    with lines.carrier_of(options, tmp_path / "inbox.sqlite3") as server:
        options["url"] = f"tcp://127.0.0.1:{server.port}"
        settings.GATEWAYS = {"cmpp": options}
        yield server


def start_campaign(holders, *, wording=""):
    meeting, now = make_meeting(motions=False), timezone.now()
    make_holders(meeting, holders)
    campaign = campaigns.plan_campaign(
        meeting.pk,
        wording=wording or default_wording(),
        plan=plan_of("cmpp"),
        by=PLANNER,
        now=now,
    )
    campaigns.approve_campaign(campaign.pk, by=APPROVER, now=now)
    return campaigns.start_campaign(campaign.pk, by=PLANNER, now=now)


def states(campaign):
    found = Counter(Delivery.objects.of_campaign(campaign).values_list("state", flat=True))
    return {State(state).name: number for state, number in found.items()}


def is_done(campaign):
    return Campaign.objects.filter(pk=campaign.pk, state="DONE").exists()


def feed(*, threads=2):
    return feeding.running("cmpp", clock=timezone.now, threads=threads)


def apply_receipts(campaign, expected):
    """Apply what came until the states are these."""

    def is_so():
        receipts.apply_waiting(now=timezone.now() + timedelta(seconds=31))
        return states(campaign) == expected

    until(is_so)


def test_a_campaign_goes_over_the_links_and_its_reports_come_back(carrier):
    campaign = start_campaign(300)
    reachable = sum(is_reachable(f"154{n:08d}") for n in range(1, 301))

    with feed():
        until(lambda: is_done(campaign))
        until(lambda: carrier.carrier.inbox.count() == reachable)
        apply_receipts(campaign, {"DELIVERED": reachable, "FAILED": 300 - reachable})

    phones = Counter(message.phone for message in carrier.carrier.inbox.read(limit=1_000))
    assert set(phones.values()) == {1}


def test_a_long_message_has_arrived_when_all_its_parts_have(carrier, monkeypatch):
    taken = []

    def take(submitted, ref, *, answer):
        taken.append((submitted, ref))
        answer()

    monkeypatch.setattr(carrier, "take", take)

    def report(part):
        submitted, ref = taken[part]
        told = Told(ref, submitted.phone, is_delivered=True, at=timezone.now())
        carrier._loop.call_soon_threadsafe(carrier._tell, [carrier.dialect.report(told)])

    campaign = start_campaign(1, wording=default_wording() + " " + "请于会前完成投票" * 10)
    with feed():
        until(lambda: is_done(campaign))
        assert len(taken) == 3

        report(2)
        report(0)
        until(lambda: sum(len(receipt.lines) for receipt in Receipt.objects.all()) == 2)
        receipts.apply_waiting(now=timezone.now())
        assert states(campaign) == {"ACCEPTED": 1}

        report(1)
        apply_receipts(campaign, {"DELIVERED": 1})


def test_who_writes_back_that_it_is_enough_gets_nothing_more(carrier):
    campaign = start_campaign(2)
    with feed():
        until(lambda: is_done(campaign))
        carrier.write_back("15400000001", "退订")
        until(lambda: Suppression.objects.count() == 1)


def test_a_carrier_that_is_away_leaves_everything_waiting(settings):
    url = f"tcp://127.0.0.1:{lines.free_port()}"
    settings.GATEWAYS = {"cmpp": lines.options_of("cmpp3", url=url)}
    campaign = start_campaign(20)

    with feed():
        time.sleep(0.5)
        assert states(campaign) == {"QUEUED": 20}

    assert DeliveryBatch.objects.get().state == "READY"


def test_a_refused_login_pauses_the_campaign_with_its_reason(carrier, settings):
    settings.GATEWAYS = {"cmpp": {**settings.GATEWAYS["cmpp"], "secret": "wrong"}}
    campaign = start_campaign(20)

    with feed():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "PAUSED")

    assert "CONNECT 3" in Campaign.objects.get(pk=campaign.pk).pause_reason
    assert states(campaign) == {"QUEUED": 20}


def test_a_gateway_without_links_has_no_such_process(settings):
    options = {"url": "http://127.0.0.1:1", "secret": "y", "rate": 1}
    settings.GATEWAYS = {"sms": {"dialect": "http_batch", **options}}

    with pytest.raises(CommandError, match="Celery"):
        call_command("run_gateway", "sms")
    with pytest.raises(CommandError, match="pigeon"):
        call_command("run_gateway", "pigeon")


@pytest.fixture
def start_process(settings, carrier):
    """`manage.py run_gateway cmpp` as a process of its own."""
    started = []

    def start():
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
        names |= {"HOST": "host", "PORT": "port"}
        database = connection.settings_dict
        server = {name: database[key] for key, name in names.items() if database[key]}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "manage.py", "run_gateway", "cmpp"],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": make_conninfo(**server),
                "REDIS_URL": settings.REDIS_URL,
                "GATEWAYS": json.dumps(settings.GATEWAYS),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert json.loads(process.stderr.readline())["message"] == "cmpp: waiting for batches."
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def test_a_second_process_is_refused(start_process):
    start_process()

    with pytest.raises(CommandError, match="Another process"):
        call_command("run_gateway", "cmpp")


def test_every_line_of_its_life_is_one_of_the_schema(carrier, start_process):
    process = start_process()
    campaign = start_campaign(20)
    until(lambda: is_done(campaign), seconds=40)

    carrier.hang_up()
    said = [process.stderr.readline().rstrip("\n")]
    while " ended: " not in said[-1]:
        assert said[-1], "it ended"
        said.append(process.stderr.readline().rstrip("\n"))
    process.send_signal(signal.SIGTERM)
    said += process.stderr.read().splitlines()

    assert process.wait(timeout=40) == 0
    assert faulty(said) == []
    assert "cmpp: ending." in {json.loads(line)["message"] for line in said}


def test_the_end_on_request_leaves_nothing_unknown(carrier, start_process):
    carrier.carrier.faults = Faults(delay=0.03)
    campaign = start_campaign(1_000)
    process = start_process()
    until(lambda: carrier.carrier.inbox.count() > 100, seconds=20)

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=40) == 0
    left = states(campaign)
    assert set(left) == {"ACCEPTED", "QUEUED"}
    assert not carrier.sessions
    start_process()
    until(lambda: is_done(campaign), seconds=40)
    assert states(campaign) == {"ACCEPTED": 1_000}


def test_a_process_that_is_killed_sends_nothing_twice_and_forgets_nobody(carrier, start_process):
    carrier.carrier.faults = Faults(delay=0.03, no_receipts=True)
    campaign = start_campaign(1_000)
    process = start_process()
    until(lambda: carrier.carrier.inbox.count() > 100, seconds=20)

    process.send_signal(signal.SIGKILL)
    process.wait()
    unknown = claims.reap(now=timezone.now() + SOON)

    start_process()
    until(lambda: is_done(campaign), seconds=40)
    assert 0 < unknown <= 4 * 20  # what four threads had under way
    assert states(campaign) == {"ACCEPTED": 1_000 - unknown, "UNKNOWN": unknown}
    phones = Counter(m.phone for m in carrier.carrier.inbox.read(limit=5_000))
    assert set(phones.values()) == {1}
    assert Holder.objects.count() == 1_000
