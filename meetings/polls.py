"""The polls (投票时段): ballots come in under a shared lock, the seal waits for them."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from meetings.models import Meeting
from voting_portal.common import locks


def enter(meeting_id: int) -> None:
    """Come in with a ballot; the seal of this meeting waits until the transaction ends."""
    locks.hold(locks.POLLS, meeting_id, shared=True)


def seal(meeting: Meeting) -> datetime:
    """Close the door behind the last ballot under way; afterwards none can be added."""
    locks.hold(locks.POLLS, meeting.pk)
    meeting.polls_sealed_at = database_time()
    meeting.save(update_fields=["polls_sealed_at"])
    return meeting.polls_sealed_at


def database_time() -> datetime:
    """The clock that decides: the database's, the same for every server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now
