"""Voters in a process of their own, for a test that kills servers.

A line is printed for everything that was acknowledged: a ballot's commitment, a checkpoint that was
seen. Whatever the database does, they go on with the next holder.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from django.db import Error, connection

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.models import Checkpoint
from meetings.agenda import read_agenda
from tests.factories import make_holders, make_meeting
from voting_portal.common import ids

HOLDERS = 6_000
CHOICES = {"1.00": "FOR", "2.00": "ABSTAIN"}


def vote(until: str) -> None:
    """Vote holder by holder until there is a file of this name."""
    meeting = make_meeting()
    make_holders(meeting, HOLDERS)
    agenda = read_agenda(meeting.pk)
    say("ready")
    over = Path(until)
    for number in range(1, HOLDERS + 1):
        if over.exists():
            break
        try:
            entitlement = read_entitlement(ids.holder_id(meeting.pk, number), 0)
            ballot = cast_ballot(
                entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1
            )
            say(f"ballot {ballot.pk} {bytes(ballot.commitment).hex()}")
            if number % 10 == 0 and (seen := Checkpoint.objects.order_by("-id").first()):
                say(f"checkpoint {seen.size} {bytes(seen.root).hex()}")
        except Error:
            connection.close()
            time.sleep(0.1)
        time.sleep(0.003)
    say("done")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
