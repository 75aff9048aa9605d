"""Drills (演练): what must hold when parts fail while holders vote, tried out on real processes.

A module here is a drill. Its docstring begins with what it shows, and `run(scene)` does it on the
installation that the runner has started (`python -m drills`). The runner asks the checker after
each drill: whatever the drill itself found, a ballot lost, doubled or changed fails it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_RESTART_SECONDS = 5.0
FULLY_BUSY = 0.95  # of all cores: whoever wants one waits for others


class Skipped(Exception):
    """The machine lacks what the drill needs; the message says what."""


@dataclass(frozen=True)
class Restart:
    """A part that was ended, and the seconds from its end until it worked again.

    On a machine that others use too, `busy` is the part of all cores that worked meanwhile, for
    whomever, and the processor's seconds are the part's own; 0 where it restarted itself.
    """

    part: str
    seconds: float
    busy: float
    processor_seconds: float = 0.0

    def is_slow(self) -> bool:
        """Over the limit by itself: with cores to be had, or with more work than the limit."""
        is_late = self.seconds > MOST_RESTART_SECONDS
        return is_late and (self.busy < FULLY_BUSY or self.processor_seconds > MOST_RESTART_SECONDS)

    def __str__(self) -> str:
        return (
            f"{self.part} needed {self.seconds:.1f} s to work again"
            f" ({self.processor_seconds:.1f} s of a processor, all of them {self.busy:.0%} busy)"
        )


@dataclass
class Outcome:
    """What a drill did, in a sentence with figures, and the faults that it saw by itself."""

    did: str = ""
    restarts: list[Restart] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.faults.append(otherwise)

    @property
    def slowest(self) -> float:
        """Seconds of the slowest restart, 0 when nothing was restarted."""
        return max((restart.seconds for restart in self.restarts), default=0.0)
