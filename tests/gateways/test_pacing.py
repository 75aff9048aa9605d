"""The pace that workers share through Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from voting_portal.gateways import pacing


def test_workers_together_keep_the_carriers_pace():
    began = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        turns = list(
            pool.map(
                lambda _: pacing.wait_for_turn("sms", segments=20, rate=400, patience=10), range(20)
            )
        )

    took = time.monotonic() - began
    assert turns == [True] * 20
    # 400 segments at 400 a second; the first and the last 20 need not be waited out.
    assert 0.8 < took < 8


def test_whoever_would_wait_too_long_gives_up_at_once():
    pacing.wait_for_turn("sms", segments=1_000, rate=100, patience=0)
    began = time.monotonic()

    assert not pacing.wait_for_turn("sms", segments=1, rate=100, patience=5)

    assert time.monotonic() - began < 5


def test_a_carrier_that_wants_a_rest_gets_it_from_everybody():
    pacing.hold_back("sms", seconds=0.3)
    pacing.hold_back("sms", seconds=0.1)
    began = time.monotonic()

    assert pacing.wait_for_turn("sms", segments=1, rate=1_000, patience=5)

    assert 0.25 < time.monotonic() - began < 5


def test_gateways_do_not_wait_for_each_other():
    pacing.hold_back("sms", seconds=10)

    assert pacing.wait_for_turn("rcs", segments=1, rate=1, patience=0)


def test_without_redis_nobody_sends(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    with pytest.raises(pacing.PaceUnknown):
        pacing.wait_for_turn("sms", segments=1, rate=1, patience=1)


SENDER = """
import sys, time
import django
django.setup()
from voting_portal.gateways import pacing
print("ready", flush=True)
until, turns = float(sys.stdin.readline()), 0
while time.time() < until:
    pacing.wait_for_turn("contract", segments=4, rate=1_000, patience=5)
    turns += time.time() < until
print(turns)
"""


@pytest.mark.servers
def test_three_processes_together_are_within_five_percent_of_the_contract(settings):
    environment = {"DJANGO_SETTINGS_MODULE": "voting_portal.settings"}
    senders = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SENDER],
            env={**os.environ, **environment, "REDIS_URL": settings.REDIS_URL},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _process in range(3)
    ]
    for sender in senders:
        assert sender.stdout.readline() == "ready\n"
    pacing.hold_back("contract", seconds=0.5)  # until all have heard
    seconds, begin = 5.0, time.time() + 0.5

    for sender in senders:
        sender.stdin.write(f"{begin + seconds}\n")
        sender.stdin.flush()
    turns = [int(sender.communicate(timeout=30)[0]) for sender in senders]

    assert all(turns)
    assert sum(turns) * 4 / seconds == pytest.approx(1_000, rel=0.05)
