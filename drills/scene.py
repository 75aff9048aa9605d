"""What a drill is given: the installation, a meeting that is open, its holders, their history."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from drills import Outcome, books
from drills.checker import anomalies
from drills.history import Answer, History
from drills.installation import HOST, Installation
from drills.load import Load
from drills.people import Crowd
from meetings.models import Meeting
from voting_portal.common import ids

PROVED = 40  # ballots whose proofs are computed after each drill


@dataclass
class Scene:
    installation: Installation
    meeting: Meeting
    crowd: Crowd
    history: History
    is_quick: bool
    directory: Path
    options: dict[str, str] = field(default_factory=dict)
    _loads: list[Load] = field(default_factory=list)
    _seen: dict[int, dict[int, bytes]] = field(default_factory=dict)

    @property
    def portal(self) -> tuple[str, int]:
        return HOST, self.installation.ports["https"]

    def load(self, drill: str, crowd: Crowd | None = None) -> Load:
        load = Load(
            crowd or self.crowd,
            self.history,
            self.portal,
            self.installation.simulator_url,
            drill,
        )
        self._loads.append(load)
        return load

    def settle(self) -> None:
        """Let everybody ask again whom a drill left without an answer."""
        loads, self._loads = self._loads, []
        for load in loads:
            load.settle()

    def wait_for_votes(self, number: int) -> None:
        """Until so many more holders were acknowledged."""
        votes = partial(self.history.count, Answer.ACKNOWLEDGED)
        target = votes() + number
        wait_until(lambda: votes() >= target, what=f"{number} more votes", progress=votes)

    def check(
        self, outcome: Outcome, meeting: Meeting | None = None, *, is_by_our_clock: bool = True
    ) -> list[str]:
        """All anomalies of a meeting up to now, and of the newest receipts.

        Whether a refusal came before the close can be judged only where the phones' clock, which is
        ours, is the database's.
        """
        meeting = meeting or self.meeting
        books.reconnect()
        meeting.refresh_from_db()
        behind = books.wait_for_the_log()
        seen = self._seen.setdefault(meeting.pk, {})
        is_closed = is_by_our_clock and meeting.polls_sealed_at is not None
        found = books.read_books(meeting, seen=dict(seen), is_closed=is_closed)
        seen.update(found.checkpoints)
        history = [
            (holder, tries)
            for holder, tries in self.history.of_holders()
            if ids.meeting_of(holder) == meeting.pk
        ]
        unproved = books.unproved(meeting, self.history, at_most=PROVED)
        outcome.notes.append(
            f"{len(found.ballots):,} ballots, {len(found.leaves):,} leaves checked"
        )
        return [*([behind] if behind else []), *anomalies(history, found), *unproved]


def wait_until(
    is_so: Callable[[], bool],
    *,
    what: str,
    seconds: float = 60.0,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Wait until something is so; TimeoutError names what never came.

    As long as `progress` changes, the seconds begin anew: many things one after the other come as
    fast as the machine lets them.
    """
    seen, deadline = progress(), time.monotonic() + seconds
    while not is_so():
        now, at = progress(), time.monotonic()
        if now != seen:
            seen, deadline = now, at + seconds
        elif at > deadline:
            raise TimeoutError(f"{what} did not come, and nothing of it for {seconds:g} s")
        time.sleep(0.05)
