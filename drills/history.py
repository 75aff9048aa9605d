"""What each holder sent and was told, as the holder's own phone remembers it.

The checker believes this and nothing of the portal's: what was acknowledged here must be in the
books, whatever happened in between.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

Choices = Mapping[str, object]


class Answer(StrEnum):
    ACKNOWLEDGED = "acknowledged"  # the confirmation with its code was shown
    TOLD = "told"  # led on to the confirmation, which did not come any more
    REFUSED = "refused"  # a page said that nothing was recorded
    UNKNOWN = "unknown"  # sent, and no answer came
    UNSENT = "unsent"  # something before the cast failed; nothing was asked of the books


@dataclass(frozen=True)
class Said:
    """One try of one holder: what was sent, and the answer; times are Unix seconds."""

    holder: int
    shares: int
    answer: Answer
    choices: Choices
    sent_at: float
    answered_at: float
    code: str = ""  # the confirmation code that was shown
    why: str = ""  # of an answer that is no acknowledgement
    drill: str = ""


class History:
    """All tries of all holders, in memory and as JSON lines beside the report."""

    def __init__(self, file: Path | None = None) -> None:
        self._by_holder: dict[int, list[Said]] = defaultdict(list)
        self._told: dict[tuple[Answer, str], set[int]] = defaultdict(set)
        self._lock = threading.Lock()
        self._file = file.open("a", encoding="utf-8") if file else None

    def add(self, said: Said) -> None:
        with self._lock:
            self._by_holder[said.holder].append(said)
            for drill in {"", said.drill}:
                self._told[said.answer, drill].add(said.holder)
            if self._file:
                self._file.write(json.dumps(asdict(said)) + "\n")
                self._file.flush()

    def of_holders(self) -> Iterator[tuple[int, list[Said]]]:
        with self._lock:
            kept = {holder: list(tries) for holder, tries in self._by_holder.items()}
        yield from kept.items()

    def of(self, holder: int) -> list[Said]:
        return list(self._by_holder.get(holder, ()))

    def count(self, answer: Answer, *, drill: str = "") -> int:
        """Holders who got this answer at least once, in one drill or in all."""
        return len(self._told.get((answer, drill), ()))

    def close(self) -> None:
        if self._file:
            self._file.close()
