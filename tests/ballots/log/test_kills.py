"""Killing the sequencer or PostgreSQL at any moment: no gap, no fork, no broken promise."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time

import pytest

from ballots.log import tree
from ballots.log.commitment import Kind, entry
from tests.checkout import Checkout, is_alive

pytestmark = pytest.mark.servers
SECONDS = 10
TURNS = 6
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
    deadline = time.monotonic() + 10
    while is_alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)


def history(checkout):
    """Vote while the sequencer is killed again and again, at any moment, PostgreSQL with it every
    second time; what the voters were told."""
    checkout.run("manage.py", "migrate", "-v0")
    program = f"from tests.ballots.log.voters import vote; vote({SECONDS})"
    voters = checkout.begin("manage.py", "shell", "-v0", "-c", program)
    said = ""
    while "ready" not in said:
        said += voters.stdout.readline()
        assert voters.poll() is None, said
    for turn in range(1, TURNS + 1):
        sequencer = checkout.begin("manage.py", "run_sequencer")
        while "Sequencing" not in sequencer.stdout.readline():
            assert sequencer.poll() is None
        time.sleep(0.2 + secrets.randbelow(1_000) / 1_000)
        if turn % 2 == 0:
            kill(checkout.servers()["postgres"])
        kill(sequencer.pid)
        sequencer.communicate()
        if turn % 2 == 0:
            checkout.run("manage.py", "check")  # starts what is missing
    said += voters.communicate(timeout=60)[0]
    assert said.endswith("done\n"), said
    checkout.run("manage.py", "run_sequencer", "--once")
    return [line.split() for line in said.splitlines()]


def test_kills_leave_no_gap_no_fork_and_no_broken_promise(checkout):
    said = history(checkout)

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
