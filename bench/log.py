"""The ballot log: what it adds to a cast, how fast the sequencer drains, how fast a tree grows."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zipfile
from collections.abc import Iterator
from unittest.mock import patch

from django.db import connection

from ballots import casting
from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.log import sequencer
from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.commitment import Kind
from ballots.log.starting import start_due
from ballots.log.tree import Tree, leaf_hash
from ballots.models import LogLeaf
from bench import Row, Scale
from bench.meetings import MOTIONS, cast_all, make_meeting
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.management.output import peak_megabytes
from meetings.models import Meeting
from voting_portal.common import ids

CHOICES = {f"{group}.00": "FOR" for group in range(1, MOTIONS + 1)}
ROUNDS = 10

# The casting statement as it would be if nobody kept a log.
WITHOUT_LOG = """
WITH clock AS MATERIALIZED (
    SELECT COALESCE(%(at)s::timestamptz, clock_timestamp()) AS now,
           COALESCE(%(seq)s::bigint, nextval('ballots_accept_seq')) AS seq
)
INSERT INTO ballots_ballot
    (id, holder_id, share_class, shares, choices, level, cast_at, seq, commitment)
SELECT %(id)s, %(holder)s, %(share_class)s, %(shares)s, %(choices)s, %(level)s, now, seq,
       %(opening)s
FROM meetings_meeting meeting, clock
WHERE meeting.id = %(meeting)s
  AND meeting.state IN ('INVITED', 'OPEN')
  AND meeting.polls_sealed_at IS NULL
  AND clock.now BETWEEN meeting.polls_open_at AND meeting.polls_close_at
  AND (%(at)s::timestamptz IS NULL OR meeting.is_rehearsal)
ON CONFLICT (id) DO NOTHING
RETURNING cast_at, seq, commitment
"""

QUEUE_ALL = """
INSERT INTO ballots_queuedentry (meeting_id, kind, subject, commitment)
SELECT id >> 31, %s, id, commitment FROM ballots_ballot WHERE id >= %s AND id < %s
"""


def measure(scale: Scale) -> Iterator[Row]:
    yield _row_of_casting(scale)
    yield from _rows_of_sequencing(scale)
    yield _row_of_the_tree(scale)
    yield _row_of_the_bundle(scale)


def _row_of_casting(scale: Scale) -> Row:
    """Casts by one process, with and without the log in turns, as the machine is never the same."""
    meeting = make_meeting(100_000)
    agenda = read_agenda(meeting.pk)
    holders = (ids.holder_id(meeting.pk, index) for index in range(1, 100_000))

    def casts() -> int:
        done, end = 0, time.perf_counter() + scale.seconds / ROUNDS / 2
        while time.perf_counter() < end:
            entitlement = read_entitlement(next(holders), 0)
            assert entitlement is not None
            cast_ballot(
                entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1
            )
            done += 1
        return done

    ours = floor = 0
    for _round in range(ROUNDS):
        ours += casts()
        with (
            patch.object(casting, "CAST", WITHOUT_LOG),
            patch.object(casting, "opening_of", lambda _ballot, _agenda: bytes(32)),
        ):
            floor += casts()
    seconds = scale.seconds / 2
    note = "entitlement read and ballot cast by one process; floor: the same without the log"
    return Row("log cast", ours / seconds, floor / seconds, "ballots/s", is_rate=True, note=note)


def _rows_of_sequencing(scale: Scale) -> Iterator[Row]:
    """A queue of ballots of four meetings drained; floor: one INSERT ... SELECT of the queue."""
    start_due()  # of meetings before
    meetings = [make_meeting(scale.rows // 4) for _ in range(4)]
    started = time.perf_counter()
    assert start_due() == len(meetings)
    seconds = time.perf_counter() - started
    holders = 4 * (scale.rows // 4)
    with connection.cursor() as cursor:
        begun = time.perf_counter()
        cursor.execute(
            "SELECT count(sha256(id::text::bytea)) FROM meetings_holder WHERE id >= %s AND id < %s",
            [ids.holder_range(meetings[0].pk)[0], ids.holder_range(meetings[-1].pk)[1]],
        )
        floor = time.perf_counter() - begun
    note = "register's root, four meetings; floor: PostgreSQL hashes as many ids"
    yield Row("log start", holders / seconds, holders / floor, "holders/s", is_rate=True, note=note)

    number = scale.rows // 4
    for meeting in meetings:
        sequencer.queue(meeting.pk, ((Kind.BALLOT, n, _commitment(n)) for n in range(number)))
    with connection.cursor() as cursor:
        begun = time.perf_counter()
        cursor.execute("CREATE TEMPORARY TABLE bare AS SELECT * FROM ballots_queuedentry")
        cursor.execute("ALTER TABLE bare ADD PRIMARY KEY (id)")
        floor = time.perf_counter() - begun
    begun = time.perf_counter()
    while sequencer.sequence():
        pass
    seconds = time.perf_counter() - begun
    assert _leaves(meetings) == 4 * (number + 1)
    total = 4 * number
    note = f"queue of four meetings, batches of {sequencer.BATCH:,}; floor: copying the queue"
    yield Row("log drain", total / seconds, total / floor, "leaves/s", is_rate=True, note=note)


def _row_of_the_tree(scale: Scale) -> Row:
    """Leaves hashed and appended in memory; floor: one SHA-256 a leaf."""
    entries = [bytes([Kind.BALLOT]) + _commitment(n) for n in range(scale.rows)]
    begun = time.perf_counter()
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    between = time.perf_counter()
    for entry in entries:
        hashlib.sha256(entry).digest()
    floor = time.perf_counter() - between
    note = f"a tree of {tree.size:,} leaves; floor: one hash a leaf"
    return Row("log tree", between - begun, floor, "s", is_rate=False, note=note)


def _row_of_the_bundle(scale: Scale) -> Row:
    """The auditor's bundle of a closed meeting; floor: the same ballots copied into a ZIP."""
    meeting = make_meeting(scale.rows)
    cast_all(meeting)
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_ALL, [Kind.BALLOT, *ids.ballot_range(meeting.pk)])
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    start_due()
    while sequencer.sequence():
        pass
    with tempfile.TemporaryFile() as file:
        before = peak_megabytes()
        begun = time.perf_counter()
        write_bundle(meeting.pk, BundleKind.AUDITOR, file)
        seconds, size = time.perf_counter() - begun, file.tell()
        grown = peak_megabytes() - before
    with tempfile.TemporaryFile() as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bare:
        begun = time.perf_counter()
        with bare.open("ballots", "w") as part, connection.cursor() as cursor:
            first, end = ids.ballot_range(meeting.pk)
            query = f"SELECT * FROM ballots_ballot WHERE id >= {first} AND id < {end}"
            with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                for block in copy:
                    part.write(block)
        floor = time.perf_counter() - begun
    note = f"{scale.rows:,} ballots opened, {size / 1e6:,.0f} MB, memory +{grown} MB; floor: COPY"
    return Row("log bundle", seconds, floor, "s", is_rate=False, note=note)


def _commitment(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest()


def _leaves(meetings: list[Meeting]) -> int:
    return sum(LogLeaf.objects.of_meeting(meeting.pk).count() for meeting in meetings)
