"""Killing the sequencer or PostgreSQL at any moment: no gap, no fork, no broken promise."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import threading
import time

import pytest

from ballots.log import tree
from ballots.log.commitment import Kind, entry
from tests.checkout import Checkout, is_alive

pytestmark = pytest.mark.servers
TURNS = 4
PATIENCE = 60  # seconds
BOOKS = """
import json
from ballots.models import Ballot, Checkpoint, LogLeaf, QueuedEntry
leaves = LogLeaf.objects.order_by("id").values_list("id", "kind", "subject", "commitment")
print("BOOKS" + json.dumps({
    "leaves": [(i & (2**33 - 1), k, s, bytes(c).hex()) for i, k, s, c in leaves],
    "ballots": {b.pk: bytes(b.commitment).hex() for b in Ballot.objects.all()},
    "checkpoints": {c.size: bytes(c.root).hex() for c in Checkpoint.objects.all()},
    "waiting": QueuedEntry.objects.count(),
}))
"""


@pytest.fixture
def checkout(tmp_path):
    copy = Checkout.at_a_long_path(tmp_path)
    sockets = copy.sockets()
    try:
        yield copy
    finally:
        copy.run("manage.py", "embedded", "stop")
        shutil.rmtree(sockets, ignore_errors=True)


def kill(process_id):
    os.kill(process_id, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while is_alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)


class Told:
    """What the voters are told, line by line as it comes, so that their pipe never fills."""

    def __init__(self, voters):
        self.lines, self.voters = [], voters
        self.reader = threading.Thread(target=lambda: self.lines.extend(voters.stdout))
        self.reader.start()

    def wait_for(self, word, number=1):
        """Until so many lines that begin with the word have come."""
        deadline = time.monotonic() + PATIENCE
        while sum(line.startswith(word) for line in self.lines) < number:
            assert self.voters.poll() is None, self.lines[-20:]
            assert time.monotonic() < deadline, self.lines[-20:]
            time.sleep(0.02)

    def ballots(self):
        return sum(line.startswith("ballot") for line in self.lines)


def history(checkout, tmp_path):
    """Vote while the sequencer is killed again and again, at any moment, PostgreSQL with it every
    second time; what the voters were told."""
    checkout.run("manage.py", "migrate", "-v0")
    over = tmp_path / "over"
    program = f"from tests.ballots.log.voters import vote; vote({str(over)!r})"
    told = Told(checkout.begin("manage.py", "shell", "-v0", "-c", program))
    try:
        told.wait_for("ready")
        for turn in range(1, TURNS + 1):
            sequencer = checkout.begin("manage.py", "run_sequencer")
            while "Sequencing" not in sequencer.stdout.readline():
                assert sequencer.poll() is None
            told.wait_for("checkpoint")
            told.wait_for("ballot", told.ballots() + 10)
            time.sleep(secrets.randbelow(1_000) / 1_000)
            if turn % 2 == 0:
                kill(checkout.servers()["postgres"])
            kill(sequencer.pid)
            sequencer.communicate()
            if turn % 2 == 0:
                checkout.run("manage.py", "check")  # starts what is missing
    finally:
        over.touch()
        told.voters.wait(PATIENCE)
        told.reader.join()
        told.voters.stdout.close()
    assert told.lines[-1] == "done\n", told.lines[-20:]
    checkout.run("manage.py", "run_sequencer", "--once")
    return [line.split() for line in told.lines]


def test_kills_leave_no_gap_no_fork_and_no_broken_promise(checkout, tmp_path):
    said = history(checkout, tmp_path)

    told = checkout.run("manage.py", "shell", "-v0", "-c", BOOKS)
    books = json.loads(told.partition("BOOKS")[2].splitlines()[0])
    leaves, ballots = books["leaves"], books["ballots"]
    promised = {words[1]: words[2] for words in said if words[0] == "ballot"}
    seen = {words[1]: words[2] for words in said if words[0] == "checkpoint"}
    assert len(promised) > 100
    assert seen
    assert promised.items() <= ballots.items()
    assert [place for place, *_rest in leaves] == list(range(len(leaves)))
    logged = [(str(subject), c) for _place, kind, subject, c in leaves if kind == Kind.BALLOT]
    assert sorted(logged) == sorted(ballots.items())
    assert books["waiting"] == 0
    roots, growing = {}, tree.Tree()
    for _place, kind, _subject, commitment in leaves:
        growing.append(tree.leaf_hash(entry(kind, bytes.fromhex(commitment))))
        roots[str(growing.size)] = growing.root().hex()
    assert books["checkpoints"].items() <= roots.items()
    assert seen.items() <= books["checkpoints"].items()
