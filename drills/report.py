"""What the drills found: a table for people, and the same as Markdown and JSON, with its date."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from drills import MOST_RESTART_SECONDS, Outcome

LOST = ("LOST", "VANISHED", "UNLOGGED", "FORK", "GAP")
DOUBLE = ("TWICE",)


@dataclass(frozen=True)
class Line:
    """One drill: what was done, how many were acknowledged, what became of them."""

    drill: str
    shows: str
    did: str
    acknowledged: int
    lost: int
    double: int
    kills: int
    restart_seconds: float  # the slowest
    seconds: float
    verdict: str  # passed, FAILED, left out
    faults: list[str]
    notes: list[str]

    @classmethod
    def of(
        cls,
        name: str,
        shows: str,
        outcome: Outcome,
        *,
        acknowledged: int,
        seconds: float,
        skipped: str,
    ) -> Line:
        late = [one for one in outcome.restarts if one.seconds > MOST_RESTART_SECONDS]
        faults = [*outcome.faults, *(f"SLOW: {one}" for one in late if one.is_slow())]
        notes = [*outcome.notes, *(str(one) for one in late if not one.is_slow())]
        return cls(
            drill=name,
            shows=shows,
            did=outcome.did if not skipped else f"left out: {skipped}",
            acknowledged=acknowledged,
            lost=sum(fault.startswith(LOST) for fault in faults),
            double=sum(fault.startswith(DOUBLE) for fault in faults),
            kills=len(outcome.restarts),
            restart_seconds=round(outcome.slowest, 2),
            seconds=round(seconds, 1),
            verdict="left out" if skipped else "FAILED" if faults else "passed",
            faults=faults,
            notes=notes,
        )

    def one_line(self) -> str:
        faults = "".join(f"\n    {fault}" for fault in self.faults[:8])
        if len(self.faults) > 8:
            faults += f"\n    and {len(self.faults) - 8} more"
        return f"{self.verdict:<9}{self.drill:<17}{self.seconds:>5.1f} s  {self.did}{faults}"


def table(lines: list[Line]) -> str:
    """Markdown, which is readable as it stands."""
    rows = [
        "| drill | what was done | acknowledged | lost | double | slowest restart | verdict |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for line in lines:
        restart = f"{line.restart_seconds:.1f} s" if line.kills else ""
        rows.append(
            f"| {line.drill} | {line.did} | {line.acknowledged:,} | {line.lost} | {line.double}"
            f" | {restart} | {line.verdict} |"
        )
    total = sum(line.acknowledged for line in lines)
    kills = sum(line.kills for line in lines)
    worst = max((line.restart_seconds for line in lines), default=0.0)
    lost, double = sum(line.lost for line in lines), sum(line.double for line in lines)
    rows.append(
        f"| **all** | {kills} ends and restarts | {total:,} | {lost} | {double} | {worst:.1f} s |"
        f" {'FAILED' if any(line.verdict == 'FAILED' for line in lines) else 'passed'} |"
    )
    return "\n".join(rows)


def write(
    lines: list[Line], *, directory: Path, began: float, seconds: float, is_full: bool
) -> Path:
    """The dated report as .md and .json; returns the first."""
    at = datetime.fromtimestamp(began, UTC)
    file = directory / f"{at:%Y-%m-%dT%H%M%SZ}.md"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    mode = "full" if is_full else "quick"
    faults = [f"- {line.drill}: {fault}" for line in lines for fault in line.faults]
    notes = [f"- {line.drill}: {note}" for line in lines for note in line.notes]
    text = "\n".join(
        [
            f"# Drills of {at:%Y-%m-%d %H:%M} UTC",
            "",
            f"{mode}, {seconds:.0f} s, on {machine}.",
            "",
            table(lines),
            "",
            *(["## Faults", "", *faults, ""] if faults else []),
            *(["## Noted", "", *notes, ""] if notes else []),
        ]
    )
    file.write_text(text, encoding="utf-8")
    report = {
        "began": at.isoformat(),
        "seconds": round(seconds, 1),
        "mode": mode,
        "machine": machine,
        "drills": [asdict(line) for line in lines],
    }
    file.with_suffix(".json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return file
