"""The close under hundreds of votes a second: by the database's clock, to the millisecond.

Nobody is taken after it, nobody refused before it, and the tally is the sum of what was confirmed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from django.db import transaction

from ballots.tally import count_votes
from drills import Outcome
from drills.history import Answer, Said
from drills.parts import ROOT
from drills.people import Crowd, make_meeting, move_polls, voters_of
from drills.phones import Person
from drills.scene import Scene, wait_until
from meetings.agenda import read_agenda
from meetings.models import Meeting

CASTERS = 2  # processes that call the verb, beside phones that come over HTTP
VOTES_A_SECOND = 500
BEFORE_QUICK, BEFORE_FULL, AFTER = 4.0, 30.0, 2.5  # seconds from the first vote to the close
SEALED_WITHIN = 20.0
PHONES = 16


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    before = BEFORE_QUICK if scene.is_quick else BEFORE_FULL
    number = int((before + AFTER) * VOTES_A_SECOND)
    meeting = make_meeting(holders=number * 2, directory=scene.directory, lasts=timedelta(hours=1))
    people = voters_of(meeting)
    load = scene.load("closing", Crowd(people[number:]))
    phones = load.verified(PHONES)
    casters = _casters(scene.directory, people[:number])
    starts = time.time() + 0.5
    closes_in = timedelta(seconds=starts + before - time.time())
    move_polls(meeting, open_at=-timedelta(hours=1), close_at=closes_in)
    for _file, caster in casters:
        assert caster.stdin is not None
        caster.stdin.write(f"{starts} {starts + before + AFTER}\n")
        caster.stdin.close()
    # Half of the phones press in the last second, half right after it.
    for place, phone in enumerate(phones):
        due = starts + before - 1.0 + 2.0 * place / len(phones)
        time.sleep(max(0.0, due - time.time()))
        load.note(phone, phone.cast())
    for file, caster in casters:
        caster.wait(60)
        outcome.expect(caster.returncode == 0, f"a caster ended with {caster.returncode}")
        for line in file.read_text().splitlines():
            said = json.loads(line)
            scene.history.add(Said(**{**said, "answer": Answer(said["answer"])}))
    wait_until(lambda: _is_sealed(meeting), what="the seal", seconds=SEALED_WITHIN)
    outcome.faults += scene.check(outcome, meeting)
    load.settle()
    answers = _answers(scene, meeting)
    _compare_the_tally(scene, outcome, meeting)
    rate = _rate_before(scene, meeting)
    outcome.notes.append(
        f"{rate:.0f} votes a second were taken in the two seconds before the close"
    )
    outcome.expect(answers[Answer.REFUSED] > 0, "nobody came after the close")
    outcome.did = (
        f"{answers.total():,} votes around the close, {rate:.0f}/s in its last seconds:"
        f" {answers[Answer.ACKNOWLEDGED]:,} taken, {answers[Answer.REFUSED]:,} refused, tally equal"
    )
    return outcome


def _casters(directory: Path, people: list[Person]) -> list[tuple[Path, subprocess.Popen[str]]]:
    """Processes that wait to be told the moment from which they cast for these people."""
    running = []
    for number in range(CASTERS):
        orders, file = directory / f"cast-{number}.in", directory / f"cast-{number}.out"
        mine = people[number::CASTERS]
        orders.write_text(json.dumps([[p.holder, p.shares, p.choices] for p in mine]))
        rate = str(VOTES_A_SECOND / CASTERS)
        command = [sys.executable, "-m", "drills.casting", str(orders), str(file), rate]
        caster = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append((file, caster))
    for _file, caster in running:
        assert caster.stdout is not None
        caster.stdout.readline()  # "ready"
        caster.stdout.close()
    return running


def _is_sealed(meeting: Meeting) -> bool:
    meeting.refresh_from_db()
    return meeting.polls_sealed_at is not None


def _of(scene: Scene, meeting: Meeting) -> list[Said]:
    from voting_portal.common import ids

    return [
        tries[-1]
        for holder, tries in scene.history.of_holders()
        if ids.meeting_of(holder) == meeting.pk
    ]


def _answers(scene: Scene, meeting: Meeting) -> Counter[Answer]:
    return Counter(said.answer for said in _of(scene, meeting))


def _rate_before(scene: Scene, meeting: Meeting) -> float:
    closes = meeting.polls_close_at.timestamp()
    taken = [s for s in _of(scene, meeting) if s.answer is Answer.ACKNOWLEDGED]
    return sum(closes - 2 <= said.answered_at < closes for said in taken) / 2


def _compare_the_tally(scene: Scene, outcome: Outcome, meeting: Meeting) -> None:
    """Shares present and in favour of each motion, against the holders' own memory."""
    told: Counter[str] = Counter()
    for said in _of(scene, meeting):
        if said.answer is Answer.ACKNOWLEDGED:
            told["present"] += said.shares
            for motion, choice in said.choices.items():
                if choice == "FOR":
                    told[motion] += said.shares
    counted: Counter[str] = Counter()
    with transaction.atomic():
        bodies = count_votes(read_agenda(meeting.pk)).bodies
    for body in bodies:
        counted["present"] += body.shares
        for motion, opinions in body.opinions.items():
            counted[motion] += opinions.for_
    for motion, shares in told.items():
        outcome.expect(
            counted[motion] == shares,
            f"LOST: {motion} has {counted[motion]:,} shares in the tally, holders have {shares:,}",
        )
