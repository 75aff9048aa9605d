"""The polls (投票时段): ballots come in under a shared lock, the seal waits for them."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from meetings.models import Meeting
from voting_portal.common import locks

# The function is called before the clock is asked.
COME_IN = "SELECT clock_timestamp(), nextval(%s) FROM pg_advisory_xact_lock_shared(%s, %s)"


def enter(meeting_id: int, *, sequence: str) -> tuple[datetime, int]:
    """Come in with a ballot; the seal of this meeting waits until the transaction ends.

    Returns the database's time, which decides whether it was in time, and the sequence's next
    number. Needs a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("the polls are entered in a transaction")
    with connection.cursor() as cursor:
        cursor.execute(COME_IN, [sequence, locks.POLLS, meeting_id])
        now, number = cursor.fetchone()
    return now, number


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
