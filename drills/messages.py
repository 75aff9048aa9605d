"""What became of a campaign's messages: nobody got two, nobody was forgotten."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

LINK = re.compile(r"/v/([0-9A-Za-z]{25})")
UNDER_WAY = ("QUEUED", "SENDING")
TAKEN = ("ACCEPTED", "NETWORK", "DELIVERED", "DISPLAYED")


def anomalies(
    deliveries: Mapping[int, str],
    arrived: Counter[int],
    *,
    reachable: frozenset[int],
    most_unknown: int,
) -> Iterator[str]:
    """By holder: the state of the delivery, and how many messages the phone got.

    What nobody can say is parked as UNKNOWN, at most what was in flight at the kills. Ask it when
    the campaign is done.
    """
    for holder, times in arrived.items():
        if times > 1:
            yield f"TWICE: holder {holder} got {times} messages"
        if holder not in deliveries:
            yield f"STRANGER: holder {holder} got a message that nobody planned"
    for holder, state in deliveries.items():
        if state in UNDER_WAY:
            yield f"FORGOTTEN: the message to holder {holder} is still {state}"
        elif state in TAKEN and holder in reachable and not arrived[holder]:
            yield f"LOST: the message to holder {holder} is {state} and did not arrive"
    unknown = sum(state == "UNKNOWN" for state in deliveries.values())
    if unknown > most_unknown:
        yield f"FORGOTTEN: {unknown} messages are unknown, at most {most_unknown} were in flight"
