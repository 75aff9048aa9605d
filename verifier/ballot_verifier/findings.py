"""What the steps find: failures by step, each with its place, and no more than can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

LISTED = 50  # failures of a step that are kept; all are counted


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong: `index` of a leaf, or a place in words; `reason` is a word that the
    report explains, with values for it."""

    reason: str
    index: int | None = None
    place: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Findings:
    """Failures by the number of the step; a part of the work finds some, and parts are joined."""

    failures: dict[int, list[Failure]] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)

    def fail(
        self, step: int, reason: str, index: int | None = None, *, place: str = "", **values: object
    ) -> None:
        """Note a failure of a step."""
        self.counts[step] += 1
        known = self.failures.setdefault(step, [])
        if len(known) < LISTED:
            texts = {name: str(value)[:200] for name, value in values.items()}
            known.append(Failure(reason, index, place, texts))

    def join(self, other: Findings) -> None:
        """Take over what another part of the work found."""
        self.counts += other.counts
        for step, failures in other.failures.items():
            known = self.failures.setdefault(step, [])
            known += failures
            del known[LISTED:]

    def of_step(self, step: int) -> tuple[Failure, ...]:
        """The failures of a step that are listed, by index; those of the whole come last."""
        known = self.failures.get(step, [])
        return tuple(sorted(known, key=lambda f: (f.index is None, f.index or 0)))
