"""The ballot log: what it adds to a cast, how fast the sequencer drains, how fast a tree grows."""

from __future__ import annotations

import hashlib
import itertools
import statistics
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
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
from ballots.management.commands.run_sequencer import PAUSE_SECONDS
from ballots.models import LogLeaf
from bench import Row, Scale
from bench.meetings import MOTIONS, cast_all, make_meeting
from bench.processors import processor_seconds
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.management.output import peak_megabytes
from meetings.models import Meeting
from voting_portal.common import ids

CHOICES = {f"{group}.00": "FOR" for group in range(1, MOTIONS + 1)}
CASTS = 200  # in a block
MOST_A_SECOND = 2_000  # casts by one process
MIN_PAIRS = 10

# The casting statement as it would be if nobody kept a log.
WITHOUT_LOG = """
INSERT INTO ballots_ballot
    (id, holder_id, share_class, shares, choices, level, cast_at, seq, commitment)
SELECT %(id)s, %(holder)s, %(share_class)s, %(shares)s, %(choices)s, %(level)s, %(now)s,
       %(seq)s, %(commitment)s
FROM meetings_meeting meeting
WHERE meeting.id = %(meeting)s
  AND meeting.state IN ('INVITED', 'OPEN')
  AND meeting.polls_sealed_at IS NULL
  AND %(now)s BETWEEN meeting.polls_open_at AND meeting.polls_close_at
  AND (meeting.is_rehearsal OR NOT %(is_replayed)s)
ON CONFLICT (id) DO NOTHING
"""

QUEUE_ALL = """
INSERT INTO ballots_queuedentry (meeting_id, kind, subject, commitment)
SELECT id >> 31, %s, id, commitment FROM ballots_ballot WHERE id >= %s AND id < %s
"""


def measure(scale: Scale) -> Iterator[Row]:
    yield _row_of_casting(scale)
    yield _row_of_waiting(scale)
    yield from _rows_of_sequencing(scale)
    yield _row_of_the_tree(scale)
    yield _row_of_the_bundle(scale)


def _row_of_casting(scale: Scale) -> Row:
    """Casts by one process, in blocks with and without the log by turns, as no machine is quiet.

    What is compared is the processor time of a cast, the portal's and PostgreSQL's together, in the
    middle of all pairs of blocks; the note has the wall time, too.
    """
    blocks = max(MIN_PAIRS, int(scale.seconds))
    meeting = make_meeting((2 * blocks + 1) * CASTS)
    agenda = read_agenda(meeting.pk)
    holders = (ids.holder_id(meeting.pk, index) for index in itertools.count(1))

    def block() -> tuple[float, float]:
        """Processor and wall time of a cast, in microseconds."""
        used, began = processor_seconds(), time.perf_counter()
        for holder in itertools.islice(holders, CASTS):
            entitlement = read_entitlement(holder, 0)
            assert entitlement is not None
            cast_ballot(
                entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1
            )
        wall, used = time.perf_counter() - began, processor_seconds() - used
        return used / CASTS * 1e6, wall / CASTS * 1e6

    def bare() -> tuple[float, float]:
        with (
            patch.object(casting, "CAST", WITHOUT_LOG),
            patch.object(casting, "commitment_of", lambda _ballot, _agenda: bytes(32)),
        ):
            return block()

    block()  # plans and caches
    pairs = []
    for turn in range(blocks):
        first, second = (block, bare) if turn % 2 else (bare, block)
        one, other = first(), second()
        pairs.append((one, other) if turn % 2 else (other, one))
    more = [sorted(with_log[of] / without[of] for with_log, without in pairs) for of in (0, 1)]
    ours, floor = (statistics.median(pair[of][0] for pair in pairs) for of in (0, 1))
    note = (
        f"processor time of a cast with the log and without, portal and PostgreSQL, {blocks} pairs "
        f"of {CASTS} casts: {_spread(more[0])} times the processor time, {_spread(more[1])} of wall"
    )
    return Row("log cast", ours, floor, "us", is_rate=False, note=note)


def _spread(ratios: Sequence[float]) -> str:
    """The middle of sorted ratios, and the middle half."""
    quarter = len(ratios) // 4
    middle = statistics.median(ratios)
    return f"{middle:.2f} ({ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f})"


def _row_of_waiting(scale: Scale) -> Row:
    """How long an entry waits while votes come in and the sequencer works beside them."""
    meeting, over = make_meeting(int(scale.seconds) * MOST_A_SECOND), threading.Event()
    agenda = read_agenda(meeting.pk)
    start_due()
    while sequencer.sequence():  # what rows before have left
        pass

    def work() -> None:
        """As the command does it."""
        while not over.is_set():
            if sequencer.sequence() < sequencer.BATCH:
                over.wait(PAUSE_SECONDS)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    longest, done, end = 0.0, 0, time.perf_counter() + scale.seconds
    while time.perf_counter() < end:
        done += 1
        entitlement = read_entitlement(ids.holder_id(meeting.pk, done), 0)
        assert entitlement is not None
        cast_ballot(entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1)
        longest = max(longest, sequencer.seconds_behind())
    over.set()
    worker.join()
    while sequencer.sequence():
        pass
    assert _leaves([meeting]) == done + 1
    note = f"the longest wait of an entry while {done:,} ballots came in; floor: the pause"
    return Row("log behind", longest, PAUSE_SECONDS, "s", is_rate=False, note=note)


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
        before, used = peak_megabytes(), processor_seconds()
        begun = time.perf_counter()
        write_bundle(meeting.pk, BundleKind.AUDITOR, file)
        seconds, size = time.perf_counter() - begun, file.tell()
        used, grown = processor_seconds() - used, peak_megabytes() - before
    with tempfile.TemporaryFile() as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bare:
        begun = time.perf_counter()
        with bare.open("ballots", "w") as part, connection.cursor() as cursor:
            first, end = ids.ballot_range(meeting.pk)
            query = f"SELECT * FROM ballots_ballot WHERE id >= {first} AND id < {end}"
            with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                for block in copy:
                    part.write(block)
        floor = time.perf_counter() - begun
    note = (
        f"{scale.rows:,} ballots of {MOTIONS} motions opened in {used:.1f} s of processor time, "
        f"{size / 1e6:,.0f} MB, memory +{grown} MB; floor: COPY of the same ballots into a ZIP"
    )
    return Row("log bundle", seconds, floor, "s", is_rate=False, note=note)


def _commitment(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest()


def _leaves(meetings: list[Meeting]) -> int:
    return sum(LogLeaf.objects.of_meeting(meeting.pk).count() for meeting in meetings)
