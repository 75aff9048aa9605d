"""Live meetings as this process knows them: enough to judge a link without a query.

The table is read again when it is older than REFRESH_SECONDS, or RETRY_SECONDS for a meeting or a
key of its links that it lacks; what decides a vote is always the database (ballots/casting.py).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meetings import keys
from meetings.agenda import Agenda, read_agenda
from meetings.models import Meeting, MeetingKey

REFRESH_SECONDS = 5.0
RETRY_SECONDS = 1.0
LIVE_STATES = (
    Meeting.State.INVITED,
    Meeting.State.OPEN,
    Meeting.State.CLOSED,
    Meeting.State.TALLIED,
    Meeting.State.CERTIFIED,
    Meeting.State.PUBLISHED,
    Meeting.State.POSTPONED,
    Meeting.State.CANCELLED,
)


@dataclass(frozen=True)
class LiveMeeting:
    meeting_id: int
    state: str
    revision: int
    polls_open_at: datetime
    polls_close_at: datetime
    is_sealed: bool
    link_keys: Mapping[int, bytes]  # by key id

    def polls_are_open(self, *, at: datetime) -> bool:
        """As far as this process knows; the casting statement asks the database."""
        return (
            self.state in (Meeting.State.INVITED, Meeting.State.OPEN)
            and not self.is_sealed
            and self.polls_open_at <= at <= self.polls_close_at
        )


class _Known:
    """What this process has read; the two references are replaced whole, never changed in place."""

    table: dict[int, LiveMeeting] = {}
    agendas: dict[int, Agenda] = {}
    read_at = float("-inf")  # seconds of the monotonic clock
    reading = threading.Lock()


class Stale(Exception):
    """The table is too old to answer without a query."""


def live_meeting(meeting_id: int, key_id: int | None = None) -> LiveMeeting | None:
    """The meeting, or None when it takes no links (never invited, or its keys are destroyed).

    With a `key_id`, whoever renewed the links a second ago is known of, too.
    """
    limit = _oldest(meeting_id, key_id)
    if time.monotonic() - _Known.read_at > limit:
        _read_table(older_than=limit)
    return _Known.table.get(meeting_id)


def known_meeting(meeting_id: int, key_id: int | None = None) -> LiveMeeting | None:
    """As `live_meeting`, but Stale where that would ask the database."""
    if time.monotonic() - _Known.read_at > _oldest(meeting_id, key_id):
        raise Stale
    return _Known.table.get(meeting_id)


def _oldest(meeting_id: int, key_id: int | None) -> float:
    """How many seconds old the table may be to answer for this meeting and key of its links."""
    known = _Known.table.get(meeting_id)
    is_there = known is not None and (key_id is None or key_id in known.link_keys)
    return REFRESH_SECONDS if is_there else RETRY_SECONDS


def agenda(meeting_id: int) -> Agenda:
    """The meeting's agenda, kept in the process until the meeting's revision changes."""
    live = _Known.table.get(meeting_id)
    known = _Known.agendas.get(meeting_id)
    if known is None or live is None or known.revision != live.revision:
        known = read_agenda(meeting_id)
        _Known.agendas = {**_Known.agendas, meeting_id: known}
    return known


def public_agenda(meeting_id: int) -> Agenda | None:
    """The agenda of a meeting that the public may know of; None for any other.

    Its personal data, and its links with them, may have been deleted: it is read from the database
    then.
    """
    if live_meeting(meeting_id) is not None:
        return agenda(meeting_id)
    if Meeting.objects.filter(pk=meeting_id, purged_at__isnull=False).exists():
        return read_agenda(meeting_id)
    return None


def forget() -> None:
    """Read everything again at the next question, e.g. after a change by this process."""
    _Known.read_at = float("-inf")


def _read_table(*, older_than: float) -> None:
    with _Known.reading:
        if time.monotonic() - _Known.read_at <= older_than:
            return  # another thread has just done it
        rows = (
            MeetingKey.objects.filter(
                purpose=MeetingKey.Purpose.LINKS,
                wrapped__isnull=False,
                meeting__state__in=LIVE_STATES,
            )
            .select_related("meeting")
            .order_by("meeting_id", "-key_id")
        )
        table: dict[int, LiveMeeting] = {}
        for meeting, of_meeting in itertools.groupby(rows, key=lambda row: row.meeting):
            # A meeting whose keys are gone has no links; the others have theirs all the same.
            with contextlib.suppress(keys.KeyDestroyed):
                table[meeting.pk] = _live(meeting, list(of_meeting))
        _Known.agendas = {k: kept for k, kept in _Known.agendas.items() if k in table}
        _Known.table = table
        _Known.read_at = time.monotonic()


def _live(meeting: Meeting, rows: Sequence[MeetingKey]) -> LiveMeeting:
    known = _Known.table.get(meeting.pk)
    unwrapped = known.link_keys if known else {}
    return LiveMeeting(
        meeting_id=meeting.pk,
        state=meeting.state,
        revision=meeting.revision,
        polls_open_at=meeting.polls_open_at,
        polls_close_at=meeting.polls_close_at,
        is_sealed=meeting.polls_sealed_at is not None,
        link_keys={row.key_id: unwrapped.get(row.key_id) or keys.unwrap(row) for row in rows},
    )
