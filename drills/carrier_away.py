"""The carrier hangs, refuses, then lies: whoever is verified votes on, and no code is believed.

A carrier that does not answer holds a thread of a web server for each code that somebody asks for.
So one thread of each process never hangs on carriers, and the others who ask are told to come
again.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from drills import Outcome
from drills.history import Answer
from drills.load import Load, side_by_side
from drills.phones import NoAnswer, Phone, Unexpected
from drills.scene import Scene

READY_QUICK, READY_FULL = 40, 200  # holders who were verified before
ASKING = 24  # who ask for codes all the while, more than all servers have threads
HANGS = 30.0  # seconds; no server waits as long
PAUSE = 0.5  # seconds of each of them, before the next
SLOWER = 4.0  # seconds that a vote may take more: a thread hangs five on the carrier


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    load = scene.load("carrier_away")
    phones = load.verified(READY_QUICK if scene.is_quick else READY_FULL)
    told: Counter[str] = Counter()
    slowest = []
    try:
        for part, faults in enumerate(({}, {"delay": HANGS}, {"error": 500}, {"garbage": True})):
            _carrier(scene, **faults)
            with _asking(scene, load, told):
                time.sleep(1.0)  # until the carrier has all the threads that it can get
                slowest.append(_vote(load, phones[part::4], outcome))
    finally:
        _carrier(scene)
    unserved = {answer: number for answer, number in told.items() if answer not in EXPECTED}
    outcome.expect(not unserved, f"who asked for a code was told {unserved}")
    outcome.expect(told["HTTP 503"] > 0, "nobody was told to come again: there was no rush")
    usual, worst = slowest[0], max(slowest[1:])
    outcome.expect(
        worst < usual + SLOWER, f"a verified vote took {worst:.1f} s beside {usual:.1f} s before"
    )
    with load.running(4):
        scene.wait_for_votes(10)
    load.settle()
    asked = sum(told.values())
    outcome.did = (
        f"{len(phones)} verified holders voted while {asked:,} codes were asked for in vain"
        f" (slowest {worst:.1f} s beside {usual:.1f} s), {told['HTTP 503']:,} told to come again;"
        " codes afterwards"
    )
    return outcome


# "in time": on to the page of the code, which may still come. "turned away": the day's codes of
# that holder are used up, or the turn is another's.
EXPECTED = ("in time", "HTTP 503", "turned away")


def _vote(load: Load, phones: list[Phone], outcome: Outcome) -> float:
    """Those who are verified cast, four at a time; the seconds of the slowest."""
    seconds = []

    def cast(phone: Phone) -> None:
        began = time.monotonic()
        said = phone.cast()
        seconds.append(time.monotonic() - began)
        load.note(phone, said)
        outcome.expect(said.answer is Answer.ACKNOWLEDGED, f"REFUSED: a verified vote: {said.why}")

    side_by_side(cast, phones, threads=4)
    return max(seconds)


@contextmanager
def _asking(scene: Scene, load: Load, told: Counter[str]) -> Iterator[None]:
    """People who press 开始投票, one after the other, and what they are told."""
    over, lock = threading.Event(), threading.Lock()

    def ask() -> None:
        while not over.is_set() and (person := scene.crowd.next()):
            phone = load.phone(person)
            answer = _begin(phone)
            with lock:
                told[answer] += 1
            over.wait(PAUSE)

    threads = [threading.Thread(target=ask) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _begin(phone: Phone) -> str:
    """What somebody reads who asks for a code."""
    try:
        page = phone.ask("begin", "POST", phone.person.path, csrfmiddlewaretoken="d" * 32)
    except NoAnswer as failure:
        return str(failure).removeprefix("begin: ")
    except Unexpected as failure:
        return f"HTTP {failure.status}"
    finally:
        phone.hang_up()
    return "in time" if page.status == 303 else "turned away" if page.status == 429 else "odd"


def _carrier(scene: Scene, **faults: object) -> None:
    """What the simulated carrier does wrong from now on; nothing without a word."""
    body = json.dumps({"receipt_delay": 0.3, **faults}).encode()
    url = f"{scene.installation.simulator_url}/faults"
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=5):
        pass
