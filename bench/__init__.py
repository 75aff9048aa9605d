"""`make bench`: every hot path beside its floor, in one run on one machine.

A module here is a row or a few. It has `measure(scale) -> Iterator[Row]` and works in a scratch
database that is migrated and empty. The floor is the least work that would give the same rows or
answers on this machine; the ratio is what to read, since absolute figures follow the machine.
"""

from __future__ import annotations

from dataclasses import dataclass

# A ballot without a rule, a lock or a question: what the cast cannot do without.
BARE_BALLOT = """
INSERT INTO ballots_ballot (id, holder_id, share_class, shares, choices, level, commitment,
    cast_at)
VALUES (%s, %s, 0, 100, %s, 1, decode(repeat('00', 32), 'hex'), clock_timestamp())
"""


@dataclass(frozen=True)
class Scale:
    """How much to do: rows for bulk jobs, seconds for request rates."""

    rows: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """A figure of ours and its floor in the same unit; `is_rate`: more is better."""

    name: str
    ours: float
    floor: float
    unit: str
    is_rate: bool
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the floor's work we do; 1.0 is the floor itself."""
        return self.floor / self.ours if self.is_rate else self.ours / self.floor
