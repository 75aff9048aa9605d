"""Redis stays away: whoever is verified votes on, codes are refused politely, /ready says so."""

from __future__ import annotations

import time

from drills import Outcome
from drills.history import Answer
from drills.phones import NoAnswer, Phone
from drills.processor_time import Since
from drills.scene import Scene

AWAY_QUICK, AWAY_FULL = 20.0, 300.0
READY_BEFORE = 30  # holders who were verified before


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    load = scene.load("redis_away")
    server = scene.installation.parts["redis"]
    phones = load.verified(READY_BEFORE)
    strangers = scene.crowd.take(2)
    away = AWAY_QUICK if scene.is_quick else AWAY_FULL
    server.kill()
    pause = min(10.0, away / READY_BEFORE)  # a session ends when it is idle for ten minutes
    slowest, ends = 0.0, time.monotonic() + away
    for phone in phones:
        began = time.monotonic()
        said = phone.cast()
        slowest = max(slowest, time.monotonic() - began)
        load.note(phone, said)
        outcome.expect(said.answer is Answer.ACKNOWLEDGED, f"a vote without Redis: {said.why}")
        time.sleep(max(0.0, pause - (time.monotonic() - began)))
    for person in strangers:
        refusal = _refusal(load.phone(person))
        outcome.expect(refusal == 503, f"a code without Redis: HTTP {refusal} and not 503")
    status, body = scene.installation.readiness("web-1")
    outcome.expect(status == 200, f"/ready is {status} without Redis; voting could go on")
    outcome.expect('"redis": "no answer"' in body, f"/ready does not say so: {body}")
    time.sleep(max(0.0, ends - time.monotonic()))
    server.ended = Since()
    outcome.restarts.append(server.restart())
    for person in strangers:
        phone = load.phone(person)
        load.note(phone, phone.vote())
    load.settle()
    outcome.expect(slowest < 5, f"a vote took {slowest:.1f} s without Redis")
    outcome.did = (
        f"away for {away:.0f} s, {len(phones)} verified holders voted meanwhile"
        f" (slowest {slowest:.1f} s), codes refused with 503"
    )
    return outcome


def _refusal(phone: Phone) -> int:
    """The status that a holder gets who asks for a code now."""
    try:
        phone.open_link()
        phone.verify()
    except NoAnswer as failure:
        return int(str(failure).rpartition(" ")[2]) if "HTTP" in str(failure) else 0
    finally:
        phone.hang_up()
    return 200
