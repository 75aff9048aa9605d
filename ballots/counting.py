"""Counting in the background (后台计票): a tally that was opened, by whichever worker is free.

The request says who opened it; the meeting's row, held for the whole count, is the worker's claim,
so one counts and the others pass. A worker that dies leaves everything as it was: the next one
begins anew. How far it came is told through a connection of its own, since the count's transaction
shows nothing until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from django.db import connection, transaction

from ballots.models import TallyRequest
from ballots.opening import count_opened
from ballots.tally import Tell
from meetings import journal
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting

# A count that ends its worker each time is given up, so that it does not hold up the others.
MOST_TRIES = 5


def count_next(*, now: datetime) -> bool:
    """Count the tally that has waited longest and that nobody else is counting.

    False when there is none. Where it cannot be counted, the opening is taken back and the journal
    says why: the scrutineer opens it again when that is mended.
    """
    waiting = TallyRequest.objects.being_opened().order_by("opened_at", "id")
    for meeting_id in waiting.values_list("meeting_id", flat=True):
        with transaction.atomic():
            meetings = Meeting.objects.select_for_update(skip_locked=True)
            if meetings.filter(pk=meeting_id).exists():
                # Another worker may have ended since, or a file of votes made the request void.
                found = TallyRequest.objects.being_opened().filter(meeting=meeting_id).first()
                if found is not None:
                    _count(found, now=now)
                    return True
    return False


def _count(request: TallyRequest, *, now: datetime) -> None:
    with _in_sight(request) as (attempt, tell):
        if attempt > MOST_TRIES:
            _take_back(request, now=now, reason="CANNOT_COUNT")
            return
        try:
            with transaction.atomic():
                count_opened(request, now=now, tell=tell)
        except CannotAdvance as refusal:
            _take_back(request, now=now, reason=str(refusal))


@contextmanager
def _in_sight(request: TallyRequest) -> Iterator[tuple[int, Tell]]:
    """Which attempt this is, and what tells how far it came."""
    with closing(connection.copy()) as side_line:

        def ask(change: str, stage: TallyRequest.Stage) -> int:
            with side_line.cursor() as cursor:
                cursor.execute(
                    f"UPDATE ballots_tallyrequest SET {change} WHERE id = %s RETURNING tries",  # noqa: S608
                    [stage, request.pk],
                )
                ((tries,),) = cursor.fetchall()
            return int(tries)

        def tell(stage: TallyRequest.Stage) -> None:
            ask("stage = %s", stage)

        yield ask("tries = tries + 1, stage = %s", TallyRequest.Stage.WAITING), tell


def _take_back(request: TallyRequest, *, now: datetime, reason: str) -> None:
    """Let the tally be opened again."""
    by = request.opened_by
    TallyRequest.objects.filter(pk=request.pk).update(
        opened_by="", opened_at=None, stage=TallyRequest.Stage.WAITING, tries=0
    )
    journal.record(request.meeting_id, "tally.not_counted", by=by, at=now, reason=reason)
