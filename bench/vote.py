"""Casting ballots, beside the same INSERT without rules."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from django.db import connection, transaction

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from bench import Row, Scale
from bench.meetings import MOTIONS, make_meeting
from meetings.agenda import read_agenda
from voting_portal.common import ids

CHOICES = {f"{group}.00": "FOR" for group in range(1, MOTIONS + 1)}
BARE = """
INSERT INTO ballots_ballot (id, holder_id, share_class, shares, choices, level, code, cast_at)
VALUES (%s, %s, 0, 100, %s, 1, '0000000000000000', clock_timestamp())
"""


def measure(scale: Scale) -> Iterator[Row]:
    """One process, one connection: what the rules, the lock and two reads add to an INSERT."""
    meeting = make_meeting(100_000)
    agenda = read_agenda(meeting.pk)
    holders = (ids.holder_id(meeting.pk, index) for index in range(1, 100_000))

    def ours(holder: int) -> None:
        entitlement = read_entitlement(holder, 0)
        assert entitlement is not None
        cast_ballot(entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1)

    def bare(holder: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE, [holder << 3, holder, json.dumps(CHOICES)])

    rates = []
    for act in (ours, bare):
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < scale.seconds / 2:
            act(next(holders))
            done += 1
        rates.append(done / (time.perf_counter() - started))
    note = f"{MOTIONS} motions, entitlement read and ballot cast by one process"
    yield Row("vote", rates[0], rates[1], "ballots/s", is_rate=True, note=note)
