"""The journal (会务日志): who did what to a meeting, and when. Rows are never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from meetings.models import JournalEntry, Meeting


def record(
    meeting: Meeting | int | None, verb: str, *, by: str, at: datetime, **details: Any
) -> JournalEntry:
    """Write one entry. `by` is text like `operator:3`; details are JSON without personal data."""
    meeting_id = meeting.pk if isinstance(meeting, Meeting) else meeting
    return JournalEntry.objects.create(
        meeting_id=meeting_id, verb=verb, actor=by, at=at, details=details
    )
