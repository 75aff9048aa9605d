"""Processor seconds by part of an installation, as the kernel counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(leaders: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Seconds that each group of processes has used, children that have ended included."""
    return {
        name: sum(_of(pid) for leader in pids for pid in group_of(leader)) / TICKS
        for name, pids in leaders.items()
    }


class Since:
    """The seconds from the moment at which it was made, and what the cores did in them."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._before = busy_and_all()

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def busy(self) -> float:
        """The part of all cores that worked for anybody, 0 to 1."""
        worked, all_there_were = (
            now - before for now, before in zip(busy_and_all(), self._before, strict=True)
        )
        return worked / max(all_there_were, 1 / TICKS)


def children(pid: int) -> list[int]:
    """Direct children, the oldest first."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def group_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(deeper for child in children(pid) for deeper in group_of(child))]


def _of(pid: int) -> int:
    """Ticks in the program and the kernel, its own and of children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def busy_and_all() -> tuple[float, float]:
    """Seconds that all cores together worked, and seconds that there were."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS, sum(fields) / TICKS
