"""When a meeting's personal data must go: its period runs from the day it was over for holders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# Published, called off or put off: by the journal. A rehearsal is over when its polls are sealed. A
# meeting that was never brought to an end is named some time after its period would have been over.
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
FORGOTTEN_DAYS = 60  # after a meeting's day and its period, without an end
OVERDUE = f"""
WITH period AS ({OF_ALL})
SELECT 'due', EXTRACT(epoch FROM clock_timestamp() - min(due_at)) FROM period
WHERE due_at < clock_timestamp() HAVING count(*) > 0
UNION ALL
SELECT 'begun', EXTRACT(epoch FROM clock_timestamp() - min(exported_at)) FROM retention_purge
WHERE stage IN ('EXPORTED', 'DESTROYED', 'DROPPED') HAVING count(*) > 0
UNION ALL
SELECT 'forgotten', EXTRACT(epoch FROM clock_timestamp() - min(
    meeting.meeting_date + make_interval(days => meeting.retention_days + {FORGOTTEN_DAYS})))
FROM period JOIN meetings_meeting AS meeting USING (id)
WHERE period.ended_at IS NULL AND meeting.meeting_date
      + make_interval(days => meeting.retention_days + {FORGOTTEN_DAYS}) < clock_timestamp()
HAVING count(*) > 0
"""  # noqa: S608 - constants of this module


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
