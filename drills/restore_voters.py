"""Holders who vote until the database is gone: `python -m drills.restore_voters FIRST LAST`.

A line for everything that was acknowledged, as JSON: the ballot, when its confirmation was there,
and the signed promise that its holder keeps.
"""

from __future__ import annotations

import json
import sys
import time

import django

django.setup()

from django.db import Error  # noqa: E402 - Django must be set up before

from ballots.casting import cast_ballot  # noqa: E402
from ballots.entitlement import read_entitlement  # noqa: E402
from ballots.log.promises import promise_of  # noqa: E402
from meetings.agenda import read_agenda  # noqa: E402
from voting_portal.common import ids  # noqa: E402


def main() -> None:
    meeting, first, last = map(int, sys.argv[1:])
    agenda = read_agenda(meeting)
    choices = {motion.number: "FOR" for motion in agenda.motions}
    for number in range(first, last + 1):
        try:
            ballot = cast_ballot(
                entitlement=read_entitlement(ids.holder_id(meeting, number), 0),
                agenda=agenda,
                share_class=0,
                choices=choices,
                level=1,
            )
            promise = promise_of(ballot)
        except Error:
            return
        told = {
            "ballot": ballot.pk,
            "commitment": bytes(ballot.commitment).hex(),
            "at": time.time(),
            "promise": promise,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        time.sleep(0.002)


if __name__ == "__main__":
    main()
