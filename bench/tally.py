"""Counting every ballot of a meeting, beside one aggregate over the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connection

from ballots.results import result_of
from ballots.tally import count_ballots
from bench import Row, Scale
from bench.meetings import MOTIONS, cast_all, make_meeting
from meetings.agenda import read_agenda
from voting_portal.common import ids

FLOOR = """
SELECT share_class, count(*), sum(shares), sum(shares) FILTER (WHERE choices ->> '1.00' = 'FOR')
FROM ballots_ballot WHERE id >= %s AND id < %s GROUP BY share_class
"""


def measure(scale: Scale) -> Iterator[Row]:
    meeting = make_meeting(scale.rows)
    cast_all(meeting)
    agenda = read_agenda(meeting.pk)
    floor, ours = float("inf"), float("inf")
    for _round in range(3):
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(FLOOR, ids.ballot_range(meeting.pk))
        between = time.perf_counter()
        result = result_of(agenda, count_ballots(agenda))
        floor = min(floor, between - started)
        ours = min(ours, time.perf_counter() - between)
    assert result["attendance"]["holders"] == scale.rows
    note = f"{scale.rows:,} ballots x {MOTIONS} motions"
    yield Row("tally", ours, floor, "s", is_rate=False, note=note)
