"""Reading the books of a meeting, and proving ballots as anybody could."""

from __future__ import annotations

import time

from django.db import connection

from ballots.log import promises, proofs, sequencer, tree
from ballots.log.commitment import CODE_BYTES, Kind, entry, prefix_of
from ballots.log.models import MeetingLog, QueuedEntry
from ballots.models import Ballot, Checkpoint, LogLeaf
from drills.checker import Books, Entered
from drills.history import Answer, History
from meetings.models import Meeting
from voting_portal.common import ids

LOGGED_WITHIN = 30.0  # seconds; the promise says 60


def wait_for_the_log() -> str:
    """Wait until the sequencer has caught up; an anomaly when it does not."""
    deadline = time.monotonic() + LOGGED_WITHIN
    while QueuedEntry.objects.exists():
        if time.monotonic() > deadline:
            return f"UNLOGGED: the log is {sequencer.seconds_behind():.0f} s behind"
        time.sleep(0.1)
    return ""


def read_books(meeting: Meeting, *, seen: dict[int, bytes], is_closed: bool = False) -> Books:
    """All of one meeting; `seen` are the checkpoints that earlier checks have read."""
    ballots = [
        Entered(
            ballot.holder_id,
            ballot.shares,
            ballot.choices,
            bytes(ballot.commitment),
            ballot.cast_at.timestamp(),
        )
        for ballot in Ballot.objects.of_meeting(meeting.pk)
    ]
    leaves = [
        (
            ids.place_of_leaf(pk),
            kind,
            subject >> 3 if kind == Kind.BALLOT else subject,
            bytes(commitment),
        )
        for pk, kind, subject, commitment in LogLeaf.objects.of_meeting(meeting.pk)
        .order_by("id")
        .values_list("id", "kind", "subject", "commitment")
    ]
    signed = Checkpoint.objects.of_meeting(meeting.pk).values_list("id", "root")
    waiting = QueuedEntry.objects.filter(meeting_id=meeting.pk)
    return Books(
        ballots=ballots,
        leaves=leaves,
        checkpoints={ids.place_of_leaf(pk) + 1: bytes(root) for pk, root in signed},
        waiting=frozenset(bytes(c) for c in waiting.values_list("commitment", flat=True)),
        closes_at=meeting.polls_close_at.timestamp() if is_closed else float("inf"),
        seen=seen,
    )


def unproved(meeting: Meeting, history: History, *, at_most: int) -> list[str]:
    """Of the newest acknowledged ballots: is the code found, does a proof lead to the root?"""
    size = MeetingLog.objects.get(pk=meeting.pk).size
    root = proofs.root_of(meeting.pk, size)
    codes = [
        said.code
        for _holder, tries in history.of_holders()
        for said in tries[-1:]
        if said.answer is Answer.ACKNOWLEDGED and ids.meeting_of(said.holder) == meeting.pk
    ]
    leaves = {
        bytes(leaf.commitment)[:CODE_BYTES]: leaf for leaf in LogLeaf.objects.of_meeting(meeting.pk)
    }
    found = []
    for code in codes[-at_most:]:
        prefix = prefix_of(code) or b""
        leaf = leaves.get(prefix)
        if leaf is None or not promises.is_logged(meeting.pk, code):
            found.append(f"VANISHED: the code {code} is not found in the log")
            continue
        place = ids.place_of_leaf(leaf.pk)
        proof = proofs.prove_inclusion(meeting.pk, place, size)
        hashed = tree.leaf_hash(entry(leaf.kind, bytes(leaf.commitment)))
        if tree.root_by_inclusion(hashed, place, size, proof) != root:
            found.append(f"FORK: no proof leads from the code {code} to the root")
    return found


def reconnect() -> None:
    """Forget a connection whose server was ended."""
    connection.close()
