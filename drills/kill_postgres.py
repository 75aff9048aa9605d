"""kill -9 of PostgreSQL while holders vote: what was confirmed is there when it is back.

Three ways: all its processes at once, as in a power cut; a backend in the middle of its work, after
which PostgreSQL restarts itself; the postmaster alone, whose children must leave first.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from drills import Outcome, Restart, books
from drills.history import Answer
from drills.parts import Part
from drills.processor_time import Since, children
from drills.scene import Scene, wait_until

VOTES_QUICK, VOTES_FULL = 15, 300  # that are confirmed before each kill


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    load = scene.load("kill_postgres")
    postgres = scene.installation.parts["postgres"]
    votes = VOTES_QUICK if scene.is_quick else VOTES_FULL
    ways = (_kill_all, _kill_backend, _kill_postmaster)
    with load.running():
        for kill in ways:
            scene.wait_for_votes(votes)
            outcome.restarts.append(kill(postgres))
        scene.wait_for_votes(votes)
    books.reconnect()
    asked = load.settle()
    outcome.expect(asked == 0 or scene.history.count(Answer.ACKNOWLEDGED) > 0, "nobody got through")
    outcome.did = f"{len(ways)} kills under load, {asked} holders without an answer asked again"
    return outcome


def _kill_all(postgres: Part) -> Restart:
    postgres.kill()
    return postgres.restart()


def _kill_backend(postgres: Part) -> Restart:
    """The postmaster ends the others, recovers, and takes connections again."""
    backend = _backend(postgres)
    ended = Since()
    os.kill(backend, signal.SIGKILL)
    wait_until(lambda: backend not in children(postgres.pid), what="the end of a backend")
    wait_until(lambda: postgres.is_up(postgres), what="PostgreSQL")
    return Restart("postgres (a backend)", ended.seconds(), ended.busy())


def _kill_postmaster(postgres: Part) -> Restart:
    postgres.kill_leader()
    restart = postgres.restart()
    return replace(restart, part="postgres (postmaster)")


def _backend(postgres: Part) -> int:
    """The youngest process that serves a client."""
    for pid in reversed(children(postgres.pid)):
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"portal portal" in title:
            return pid
    raise LookupError("no backend serves anybody")
