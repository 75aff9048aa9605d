"""The journal (会务日志): who did what to a meeting, and when. Rows are never changed.

Each entry carries a link, the SHA-256 of the link before it and of what it says itself, made by the
database as it is written. Whoever keeps the last link of a meeting can tell later whether anything
before it was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from meetings.models import JournalEntry, Meeting


@dataclass(frozen=True)
class Chain:
    """The linked entries of one meeting, or of none (`meeting_id` None)."""

    meeting_id: int | None
    entries: int
    last_link: str  # hexadecimal
    broken_at: int | None  # the first entry that does not go with the one before it


def record(
    meeting: Meeting | int | None, verb: str, *, by: str, at: datetime, **details: Any
) -> JournalEntry:
    """Write one entry. `by` is text like `operator:3`; details are JSON without personal data."""
    meeting_id = meeting.pk if isinstance(meeting, Meeting) else meeting
    return JournalEntry.objects.create(
        meeting_id=meeting_id, verb=verb, actor=by, at=at, details=details
    )


def chains() -> list[Chain]:
    """All chains with what is wrong with them, in the order of their meetings; one pass."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH entry AS (
                SELECT id, meeting_id, link, linked_entry(
                    lag(link) OVER (PARTITION BY meeting_id ORDER BY id), whole
                ) AS computed
                FROM meetings_journalentry AS whole
            )
            SELECT meeting_id, count(*), encode((array_agg(link ORDER BY id DESC))[1], 'hex'),
                   min(id) FILTER (WHERE link <> computed)
            FROM entry GROUP BY meeting_id ORDER BY meeting_id NULLS FIRST
            """
        )
        return [Chain(*row) for row in cursor.fetchall()]
