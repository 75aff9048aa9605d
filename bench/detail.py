"""The detail list as it is streamed to a secretary, beside a bare COPY TO of the same rows."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

from django.db import connection
from psycopg import sql

from ballots.detail import detail_lines
from bench import Row, Scale
from bench.meetings import MOTIONS, cast_all, make_meeting, seal, vote_elsewhere
from voting_portal.common import ids

FLOOR = """
COPY (SELECT holder_id, share_class, shares, cast_at, seq, key, value
      FROM ballots_ballot, jsonb_each_text(choices)
      WHERE id >= {} AND id < {}) TO STDOUT (FORMAT csv)
"""


def measure(scale: Scale) -> Iterator[Row]:
    """Twenty lines for each of so many ballots; one holder in ten voted at a terminal, too."""
    meeting = make_meeting(scale.rows)
    cast_all(meeting)
    seal(meeting)
    vote_elsewhere(meeting, every=10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    stream = detail_lines(meeting.pk)
    next(stream)  # the heading
    lines = next(stream).count(b"\n")
    first = time.perf_counter() - began
    lines += sum(block.count(b"\n") for block in stream)
    ours = lines / (time.perf_counter() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    query = sql.SQL(FLOOR).format(*map(sql.Literal, ids.ballot_range(meeting.pk)))
    began, bare = time.perf_counter(), 0
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for line in copy:
            bare += bytes(line).count(b"\n")
    floor = bare / (time.perf_counter() - began)
    note = (
        f"{scale.rows:,} ballots x {MOTIONS} motions, {lines:,} lines,"
        f" the first after {first:.2f} s, memory +{grown} MB"
    )
    yield Row("detail", ours, floor, "lines/s", is_rate=True, note=note)
