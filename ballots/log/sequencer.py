"""The sequencer: moves what waits in the queue into the logs, a batch in one transaction.

Whoever casts only adds a row to the queue; this one process gives the leaves their places. What a
transaction takes from the queue, appends and signs is there together or not at all, so it may be
killed at any moment. The close is logged once no ballot can come any more: the seal has waited for
all that were under way, and their rows are in the queue before it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from django.db import connection, transaction

from ballots.log import heads, records
from ballots.log.commitment import Kind, commit, salt_of
from ballots.log.growing import Growth
from ballots.log.heads import Head
from ballots.log.models import MeetingLog
from meetings.log_keys import newest_log_key
from meetings.models import Meeting
from voting_portal.common import locks

log = logging.getLogger(__name__)

BATCH = 5_000
PROMISED_SECONDS = 60  # how soon a confirmation says that its ballot is in the log

# An array, not IN: the queue fills and empties faster than its statistics are taken, and a join
# that was planned for an empty queue takes minutes.
TAKE = """
DELETE FROM ballots_queuedentry WHERE id = ANY(ARRAY(
    SELECT entry.id FROM ballots_queuedentry entry
    JOIN ballots_meetinglog log ON log.meeting_id = entry.meeting_id
    WHERE entry.meeting_id <> ALL(%s)
    ORDER BY entry.id LIMIT %s))
RETURNING id, meeting_id, kind, subject, commitment
"""
QUEUE = "COPY ballots_queuedentry (meeting_id, kind, subject, commitment) FROM STDIN"
SEALED = """
SELECT log.meeting_id FROM ballots_meetinglog log
JOIN meetings_meeting meeting ON meeting.id = log.meeting_id
WHERE log.closed_size IS NULL AND meeting.polls_sealed_at IS NOT NULL
  AND log.meeting_id <> ALL(%s)
  AND NOT EXISTS (SELECT FROM ballots_queuedentry entry
                  WHERE entry.meeting_id = log.meeting_id AND entry.kind = %s)
"""

Entry = tuple[Kind, int, bytes]  # kind, subject, commitment
_standing: set[int] = set()  # meetings whose logs are not what their kept heads say


class OutOfStep(Exception):
    """The database has lost a part of a log that was signed before (heads.py)."""

    def __init__(self, meeting_id: int) -> None:
        super().__init__(meeting_id)
        self.meeting_id = meeting_id


def sequence(*, limit: int = BATCH) -> int:
    """`sequence_in_step`, past the logs that have lost a part: they stand, the others go on."""
    while True:
        try:
            return sequence_in_step(limit=limit)
        except OutOfStep as lost:
            _standing.add(lost.meeting_id)
            warn_of_standing()


@transaction.atomic
def sequence_in_step(*, limit: int = BATCH) -> int:
    """Log at most `limit` waiting entries of all meetings, and the closes that are due.

    Returns how many entries were taken; none while another process sequences. OutOfStep, and
    nothing was done, when a log is not what its kept head says.
    """
    if not locks.try_to_hold(locks.SEQUENCER, 0):
        return 0
    entries = _take(limit)
    # Asked after the batch was taken: a seal that is seen here has every ballot in the queue.
    sealed = _sealed()
    if not entries and not sealed:
        return 0
    newest = newest_log_key()
    logs = MeetingLog.objects.filter(pk__in={*entries, *sealed}).defer("agenda").order_by("pk")
    grown: list[tuple[MeetingLog, Head]] = []
    for started in logs:
        growth = Growth(started)
        if not heads.is_in_step(started, growth.tree.root()):
            raise OutOfStep(started.pk)
        growth.hand_over(newest)
        _extend(growth, entries.get(started.pk, ()), is_over=started.pk in sealed)
        if growth.leaves:
            growth.write()
            grown.append((started, heads.head_of(growth)))
    transaction.on_commit(lambda: heads.keep(grown))
    return sum(map(len, entries.values()))


def seconds_behind() -> float:
    """How long the oldest entry has been waiting; 0 when none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - queued_at)::float8"
            " FROM ballots_queuedentry ORDER BY id LIMIT 1"
        )
        row = cursor.fetchone()
    return max(0.0, row[0]) if row else 0.0


def warn_when_behind() -> None:
    """Alarm when a promise to a holder is broken; how many wait is not said."""
    behind = seconds_behind()
    if behind > PROMISED_SECONDS:
        log.error("ballot log is behind: an entry has been waiting for %d seconds", behind)


def look_back() -> None:
    """Look at every log, also at those for which nothing waits: the database may be another one."""
    _standing.update(started.pk for started in heads.standing())
    warn_of_standing()


def warn_of_standing() -> None:
    """Say loudly which logs have lost a part; those that are whole again, or resumed, go on."""
    if not _standing:
        return
    _standing.intersection_update(started.pk for started in heads.standing())
    for meeting_id in sorted(_standing):
        log.error(
            "ballot log of meeting %d stands: the database has lost entries that were signed;"
            " recover it to a later point (docs/operations.md)",
            meeting_id,
        )


def queue(meeting_id: int, entries: Iterable[Entry]) -> None:
    """Promise entries to a meeting's log, in the caller's transaction."""
    waiting = iter(entries)
    # A batch is made before it is copied: the entries may come from a cursor of this connection.
    while batch := list(islice(waiting, BATCH)):
        with connection.cursor() as cursor, cursor.copy(QUEUE) as copy:
            for kind, subject, commitment in batch:
                copy.write_row((meeting_id, kind.value, subject, commitment))


def close_opening(started: MeetingLog) -> tuple[bytes, bytes]:
    """Salt and record of the close of a sealed meeting."""
    meeting = Meeting.objects.get(pk=started.meeting_id)
    assert meeting.polls_sealed_at is not None
    record = records.close(
        started.origin,
        polls=(meeting.polls_open_at, meeting.polls_close_at),
        sealed_at=meeting.polls_sealed_at,
        ballots=started.ballots,
    )
    return salt_of(started.meeting_id, Kind.CLOSE, started.meeting_id), record


def _take(limit: int) -> dict[int, list[Entry]]:
    """Take entries out of the queue, the oldest first, by meeting."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [list(_standing), limit])
        rows = sorted(cursor.fetchall())
    taken: dict[int, list[Entry]] = defaultdict(list)
    for _id, meeting_id, kind, subject, commitment in rows:
        taken[meeting_id].append((Kind(kind), subject, bytes(commitment)))
    return taken


def _sealed() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(SEALED, [list(_standing), Kind.BALLOT])
        return {meeting_id for (meeting_id,) in cursor.fetchall()}


def _extend(growth: Growth, entries: Iterable[Entry], *, is_over: bool) -> None:
    later = []
    for kind, subject, commitment in entries:
        if kind == Kind.BALLOT:
            growth.add(kind, subject, commitment)
        else:
            later.append((kind, subject, commitment))
    if is_over:
        growth.close(commit(*close_opening(growth.log)))
    for kind, subject, commitment in later:
        growth.add(kind, subject, commitment)
    if growth.leaves:
        growth.sign()
