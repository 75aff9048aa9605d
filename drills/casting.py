"""A process that casts ballots by the verb at a steady pace, as many web servers together would.

`python -m drills.casting ORDERS ANSWERS RATE`: orders are `[holder, shares, choices]` each. It says
"ready" and is then told on its standard input when to begin and to end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from ballots.rules import Choices
    from meetings.agenda import Agenda

THREADS = 6


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "voting_portal.settings"
    django.setup()
    from django.db import connection

    from drills.history import Answer, Said
    from meetings.agenda import read_agenda
    from voting_portal.common import ids

    orders = json.loads(Path(sys.argv[1]).read_text())
    rate = float(sys.argv[3])
    agenda = read_agenda(ids.meeting_of(orders[0][0]))
    print("ready", flush=True)
    starts, ends = map(float, sys.stdin.readline().split())
    places = count()
    answers: list[Said] = []

    def cast_on() -> None:
        while (place := next(places)) < len(orders):
            holder, shares, choices = orders[place]
            time.sleep(max(0.0, starts + place / rate - time.time()))
            if (sent_at := time.time()) > ends:
                break
            answer, code, why = _cast(holder, choices, agenda)
            answers.append(
                Said(
                    *(holder, shares, Answer(answer), choices, sent_at, time.time()),
                    code=code,
                    why=why,
                    drill="closing",
                )
            )
        connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(cast_on) for _ in range(THREADS)]:
            done.result()
    lines = (json.dumps(asdict(said)) + "\n" for said in answers)
    Path(sys.argv[2]).write_text("".join(lines))


def _cast(holder: int, choices: Choices, agenda: Agenda) -> tuple[str, str, str]:
    """The answer, the confirmation code, and why there is none."""
    from django.db import Error, connection

    from ballots.casting import cast_ballot
    from ballots.entitlement import read_entitlement
    from ballots.rules import CannotCast

    try:
        entitlement = read_entitlement(holder, 0)
        assert entitlement is not None
        ballot = cast_ballot(
            entitlement=entitlement, agenda=agenda, share_class=0, choices=choices, level=1
        )
    except CannotCast as refusal:
        return "refused", "", type(refusal).__name__
    except Error as failure:
        connection.close()
        return "unknown", "", type(failure).__name__
    return "acknowledged", ballot.code, ""


if __name__ == "__main__":
    main()
