"""Where a meeting stands in a holder's eyes (投票阶段)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from meetings.live import LiveMeeting
from meetings.models import Meeting


class Stage(StrEnum):
    BEFORE = "before"
    OPEN = "open"
    CLOSED = "closed"
    PUBLISHED = "published"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


_ASIDE = {
    Meeting.State.POSTPONED: Stage.POSTPONED,
    Meeting.State.CANCELLED: Stage.CANCELLED,
    Meeting.State.PUBLISHED: Stage.PUBLISHED,
}


def stage_of(meeting: LiveMeeting, *, at: datetime) -> Stage:
    """By this process's clock, for what pages say; a ballot is judged by the database's."""
    if aside := _ASIDE.get(Meeting.State(meeting.state)):
        return aside
    if meeting.polls_are_open(at=at):
        return Stage.OPEN
    is_before = at < meeting.polls_open_at and not meeting.is_sealed
    return Stage.BEFORE if is_before else Stage.CLOSED
