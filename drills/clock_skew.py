"""Clocks that differ: the database's decides about votes, and the others say that they are off.

The database runs nine minutes slow, then nine minutes fast (libfaketime), so that every web server
is as much ahead, then behind. Nine, because a holder's session ends when it is idle for ten.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from ballots.models import Ballot
from drills import Outcome, Skipped, books
from drills.history import Answer
from drills.people import Crowd, make_meeting, move_polls, voters_of
from drills.scene import Scene

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)
OFF = timedelta(minutes=9)
SOON, HOUR = timedelta(minutes=4), timedelta(hours=1)


def run(scene: Scene) -> Outcome:
    """Too early and late-looking while web is ahead, early-looking and too late while behind."""
    library = _library(scene.options.get("faketime", ""))
    outcome = Outcome()
    meeting = make_meeting(holders=200, directory=scene.directory, lasts=2 * HOUR)
    load = scene.load("clock_skew", Crowd(voters_of(meeting)))
    early, in_time, also_in_time, late = load.verified(4)
    try:
        _run_at(scene, library, -OFF)
        _says_so(outcome, scene)
        move_polls(meeting, open_at=-SOON, close_at=HOUR)
        early.cast()  # not kept: this holder comes again
        is_in = Ballot.objects.filter(holder_id=early.person.holder).exists()
        outcome.expect(not is_in, "EARLY: a ballot was taken before the opening")
        move_polls(meeting, open_at=-HOUR, close_at=-SOON)
        load.note(in_time, in_time.cast())
        _run_at(scene, library, OFF)
        _says_so(outcome, scene)
        move_polls(meeting, open_at=SOON, close_at=HOUR)
        for phone in (also_in_time, early):
            load.note(phone, phone.cast())
        move_polls(meeting, open_at=-HOUR, close_at=OFF)
        load.note(late, late.cast())
    finally:
        _run_at(scene, "", OFF)
    for phone, wanted in (
        (early, Answer.ACKNOWLEDGED),
        (in_time, Answer.ACKNOWLEDGED),
        (also_in_time, Answer.ACKNOWLEDGED),
        (late, Answer.REFUSED),
    ):
        said = scene.history.of(phone.person.holder)[-1]
        outcome.expect(said.answer is wanted, f"{said.answer} ({said.why}) and not {wanted}")
    outcome.faults += scene.check(outcome, meeting, is_by_our_clock=False)
    outcome.did = (
        f"web {OFF.seconds // 60} minutes ahead of the database, then behind: a vote before the"
        " opening and one after the close refused, 3 in time taken; /ready says 503"
    )
    return outcome


def _run_at(scene: Scene, library: str, off: timedelta) -> None:
    """Restart the database with a clock that is so far off, or right."""
    postgres = scene.installation.parts["postgres"]
    postgres.stop()
    faked = {"LD_PRELOAD": library, "FAKETIME": f"{off.total_seconds():+.0f}"}
    postgres.env = faked if library else {}
    postgres.start()
    books.reconnect()


def _says_so(outcome: Outcome, scene: Scene) -> None:
    status, body = scene.installation.readiness("web-1")
    clock = json.loads(body).get("clock", "") if body else ""
    outcome.expect(
        status == 503 and clock.startswith("off by"),
        f"/ready of a server that is 9 minutes off says {status} {clock!r}",
    )


def _library(asked: str) -> str:
    for path in (asked, *LIBRARIES):
        if path and Path(path).exists():
            return str(Path(path).resolve())
    raise Skipped("no libfaketime (Debian package faketime), or name it with --faketime")
