"""Counting every ballot of a meeting, beside one aggregate query over the same rows.

The floor asks what the tally has to know at the least, for and against of every motion by class,
and nothing of minorities, segments, recusals, other channels or rules.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connection, transaction

from ballots.results import result_of
from ballots.tally import count_votes
from bench import Row, Scale
from bench.meetings import MOTIONS, cast_all, make_meeting, seal, vote_elsewhere
from meetings.agenda import read_agenda
from voting_portal.common import ids

SUMS = ", ".join(
    f"sum(shares) FILTER (WHERE choices ->> '{motion}.00' = '{opinion}')"
    for motion in range(1, MOTIONS + 1)
    for opinion in ("FOR", "AGAINST")
)
FLOOR = f"""
SELECT share_class, count(*), sum(shares), {SUMS}
FROM ballots_ballot WHERE id >= %s AND id < %s GROUP BY share_class
"""


def measure(scale: Scale) -> Iterator[Row]:
    meeting = make_meeting(scale.rows)
    cast_all(meeting)
    seal(meeting)
    note = f"{scale.rows:,} ballots x {MOTIONS} motions"
    yield _row("tally", meeting.pk, scale, note)
    others = vote_elsewhere(meeting, every=20)
    note = f"{note}, all breakdowns; {others:,} of them voted at a terminal, too"
    yield _row("tally mixed", meeting.pk, scale, note)


def _row(name: str, meeting: int, scale: Scale, note: str) -> Row:
    agenda = read_agenda(meeting)
    floor, ours = float("inf"), float("inf")
    for _round in range(3):
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(FLOOR, ids.ballot_range(meeting))
        between = time.perf_counter()
        with transaction.atomic():
            result = result_of(agenda, count_votes(agenda, list_limit=1_000))
        floor = min(floor, between - started)
        ours = min(ours, time.perf_counter() - between)
    assert result["attendance"]["holders"] == scale.rows
    return Row(name, ours, floor, "s", is_rate=False, note=note)
