"""Every key changes while holders vote: nobody is refused, and the log is one to its verifier.

The key-encryption key, the key that signs the logs, and the key of a meeting's links, each by the
command that people use. Links of the old key hold until a second person ends them; a ballot that
was begun with one is cast after that all the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from datetime import timedelta

from django.utils import timezone

from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.keys import reigns_of
from ballots.models import MeetingLog
from ballots.opening import ask_for_tally, open_tally
from drills import Outcome, books
from drills.history import Answer
from drills.parts import ROOT
from drills.people import Crowd, make_meeting, voters_of
from drills.phones import Phone
from drills.scene import Scene, wait_until
from meetings import keys, lifecycle, live
from meetings.models import Meeting
from voting_portal.common import ids

HOLDERS_QUICK, HOLDERS_FULL = 4_000, 16_000
ROUNDS_QUICK, ROUNDS_FULL = 2, 10
VOTES, PHONES = 10, 3  # between two changes; side by side
UNDER_WAY = 5  # holders with a reviewed ballot when the old links end
ONE, OTHER = "--by=operator:1", "--by=operator:2"
NUMBER = re.compile(r"Key (\d+) signs from now on")


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    holders = HOLDERS_QUICK if scene.is_quick else HOLDERS_FULL
    rounds = ROUNDS_QUICK if scene.is_quick else ROUNDS_FULL
    meeting = make_meeting(holders=holders, directory=scene.directory, lasts=timedelta(hours=2))
    people = voters_of(meeting)
    half = len(people) // 2
    before = scene.load("rotating", Crowd(people[:half]))
    with before.running(PHONES):
        scene.wait_for_votes(VOTES)
        for _round in range(rounds):
            _manage("rotate_keys", "--all", ONE)
            scene.wait_for_votes(VOTES)
            newest = int(NUMBER.findall(_manage("rotate_log_key", ONE))[0])
            scene.wait_for_votes(VOTES)
            _manage("rotate_log_key", "--retire", str(newest - 1), OTHER)
            scene.wait_for_votes(VOTES)
        _manage("renew_links", str(meeting.pk), ONE)
        scene.wait_for_votes(VOTES)

    keys.forget()  # what signs the links of those who come now
    renewed = voters_of(meeting)
    time.sleep(live.RETRY_SECONDS)  # no message arrives sooner
    under_way = scene.load("rotating", Crowd(people[half:])).verified(UNDER_WAY)
    after = scene.load("rotating", Crowd(renewed[half + UNDER_WAY :]))
    with after.running(PHONES):
        scene.wait_for_votes(VOTES)
        _manage("renew_links", str(meeting.pk), "--end-old", OTHER)
        scene.wait_for_votes(VOTES)
        stale = Phone(people[-1], scene.portal, scene.installation.simulator_url)
        wait_until(lambda: _status(stale) == 404, what="the end of the old links", seconds=15)
        for phone in under_way:
            after.note(phone, phone.cast())
    outcome.faults += _not_served(scene, meeting)
    outcome.faults += _verified(scene, outcome, meeting)
    votes = scene.history.count(Answer.ACKNOWLEDGED, drill="rotating")
    outcome.did = (
        f"{rounds} changes of the key-encryption key and of the log's key, one of the links' key"
        f" while {votes:,} voted; nobody refused, the log good by its first key"
    )
    return outcome


def _manage(*words: str) -> str:
    """What a command of ours says; RuntimeError when it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def _status(phone: Phone) -> int:
    return phone.ask("link", "GET", phone.person.path).status


def _not_served(scene: Scene, meeting: Meeting) -> list[str]:
    """Everything that a holder of this meeting was told which is no confirmation."""
    return [
        f"REFUSED: holder {holder} got {said.answer} ({said.why}) while keys changed"
        for holder, tries in scene.history.of_holders()
        if ids.meeting_of(holder) == meeting.pk
        for said in tries
        if said.answer is not Answer.ACKNOWLEDGED
    ]


def _verified(scene: Scene, outcome: Outcome, meeting: Meeting) -> list[str]:
    """Faults of the finished meeting, for a verifier who knows nothing but the first key."""
    now, first = timezone.now(), reigns_of(meeting.pk)[0].key.vkey
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    wait_until(lambda: _is_closed(meeting), what="the close in the log", seconds=60)
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)
    behind = books.wait_for_the_log()
    path = scene.directory / "rotated-bundle.zip"
    with path.open("wb") as file:
        write_bundle(meeting.pk, BundleKind.AUDITOR, file)
    verifier = [sys.executable, "-m", "ballot_verifier", str(path), f"--key={first}"]
    done = subprocess.run(
        verifier,
        env={**os.environ, "PYTHONPATH": str(ROOT / "verifier")},
        capture_output=True,
        text=True,
        check=False,
    )
    bad = f"FORK: the verifier says {(done.stdout + done.stderr).strip()[-300:]}"
    faults = [behind, bad if done.returncode else "", *scene.check(outcome, meeting)]
    return [fault for fault in faults if fault]


def _is_closed(meeting: Meeting) -> bool:
    return MeetingLog.objects.filter(pk=meeting.pk, closed_size__isnull=False).exists()
