"""When a meeting's personal data must go: its period runs from the day it was over for holders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# Published, called off or put off: by the journal. A rehearsal is over when its polls are sealed.
# Whatever else happens, a real meeting that was never brought to an end is named sixty days after
# its own period: somebody has forgotten it.
PERIODS = """
SELECT meeting.id, period.ended_at,
       period.ended_at + make_interval(days => meeting.retention_days) AS due_at
FROM meetings_meeting AS meeting
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN meeting.state IN ('PUBLISHED', 'CANCELLED', 'POSTPONED') THEN (
            SELECT max(entry.at) FROM meetings_journalentry AS entry
            WHERE entry.meeting_id = meeting.id
              AND entry.verb = 'meeting.' || lower(meeting.state))
        WHEN meeting.is_rehearsal THEN meeting.polls_sealed_at
    END AS ended_at
) AS period
WHERE meeting.purged_at IS NULL AND {condition}
"""
ONE = PERIODS.format(condition="meeting.id = %s")
NOT_ON_HOLD = """NOT EXISTS (
    SELECT FROM retention_hold AS hold
    WHERE hold.meeting_id = meeting.id AND hold.lifted_at IS NULL)"""
OF_ALL = PERIODS.format(condition=NOT_ON_HOLD)


@dataclass(frozen=True)
class Period:
    """From when to when a meeting's personal data is kept; empty while the meeting goes on."""

    meeting_id: int
    ended_at: datetime | None
    due_at: datetime | None


def period_of(meeting_id: int) -> Period | None:
    """The period of a meeting; None when its personal data is gone."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, [meeting_id])
        row = cursor.fetchone()
    return Period(*row) if row else None


def due(*, now: datetime) -> list[Period]:
    """Meetings whose period is over and whose keys still exist, the oldest first; none on hold."""
    with connection.cursor() as cursor:
        cursor.execute(OF_ALL)
        periods = [Period(*row) for row in cursor.fetchall()]
    is_over = [(p.due_at, p) for p in periods if p.due_at is not None and p.due_at <= now]
    return [period for _due_at, period in sorted(is_over, key=lambda pair: pair[0])]
