"""Whoever waits for carriers and providers leaves a thread of each process to those who do not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from tests.gateways.conftest import SECRET
from voting_portal.common import waiting_places
from voting_portal.gateways import Message, Outcome, send_now
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.server import Simulator

PLACES = waiting_places.PLACES
MORE = 5


@pytest.fixture
def everywhere_taken():
    with ExitStack() as taken:
        for _place in range(PLACES):
            taken.enter_context(waiting_places.place())
        yield taken


def test_one_thread_of_a_process_never_waits(everywhere_taken):
    with pytest.raises(waiting_places.NoPlace), waiting_places.place():
        pass


def test_a_place_is_free_again_after_a_failure():
    for _time in range(PLACES + 1):
        with pytest.raises(OSError, match="cut"), waiting_places.place():
            raise OSError("cut")


def test_a_code_is_refused_when_all_who_may_wait_do(everywhere_taken, settings):
    settings.GATEWAYS = {
        "sms": {"dialect": "http_batch", "url": "http://127.0.0.1:9", "secret": SECRET, "rate": 1}
    }

    result = send_now(Message("code-1", "15400000001", "验证码123456"))

    assert result.outcome is Outcome.THROTTLED
    everywhere_taken.close()
    assert send_now(Message("code-2", "15400000001", "验证码")).outcome is Outcome.NOT_SENT


@pytest.fixture
def ask_together(tmp_path, settings):
    """More than may wait ask a carrier at the same moment; what each got, and after how long."""
    simulator = Simulator(0, tmp_path / "inbox.sqlite3", secret=SECRET, receipt_url="")
    settings.GATEWAYS = {
        "sms": {"dialect": "http_batch", "url": simulator.url, "secret": SECRET, "rate": 1_000}
    }
    together = Barrier(PLACES + MORE)

    def ask(number):
        together.wait()
        began = time.monotonic()
        result = send_now(Message(f"code-{number}", "15400000001", "验证码123456"))
        return result.outcome, time.monotonic() - began

    def ask_all(*, delay):
        simulator.carrier.faults = Faults(delay=delay, no_receipts=True)
        return list(pool.map(ask, range(PLACES + MORE)))

    with ThreadPoolExecutor(PLACES + MORE + 1) as pool:
        serving = pool.submit(simulator.serve_forever, 0.05)
        yield ask_all
        simulator.shutdown()
        serving.result()
    simulator.server_close()


def test_of_many_who_ask_a_carrier_that_hangs_all_but_a_few_know_soon(ask_together):
    answers = ask_together(delay=3.0)

    waited = [outcome for outcome, _seconds in answers if outcome is Outcome.ACCEPTED]
    refused = [seconds for outcome, seconds in answers if outcome is Outcome.THROTTLED]
    assert (len(waited), len(refused)) == (PLACES, MORE)
    assert max(refused) < 2.5


def test_where_the_carrier_answers_everybody_gets_a_place(ask_together):
    answers = ask_together(delay=0.05)

    assert {outcome for outcome, _seconds in answers} == {Outcome.ACCEPTED}
