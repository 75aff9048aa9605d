"""The load report: what `make stress` found, as Markdown, and as rows for bench/capacity.py."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

STEPS = ("link", "begin", "code page", "code", "ballot", "review", "cast", "confirmation")
KEPT_UP = 0.85  # of those who came were served as fast as they came
LOOK = ("link",)  # what somebody does who only looks


@dataclass(frozen=True)
class Level:
    """What happened at one rate; seconds are of single requests."""

    offered: float  # journeys a second
    answered: float  # of them, confirmed a second
    waiting: int
    refused: int
    p50: float
    p99: float
    cpu: dict[str, float]  # milliseconds a journey, by part
    machine_busy: float  # part of all cores that worked, whoever for
    failures: dict[str, int]

    def holds(self, limit: float) -> bool:
        """Whether everybody was served, in time, and none more came than went."""
        is_kept_up = self.answered >= KEPT_UP * self.offered
        return is_kept_up and not self.refused and not self.waiting and self.p99 <= limit


def rows(costs: dict[str, dict[str, float]], knee: Level) -> list[dict[str, object]]:
    """As `make bench` writes its rows: what bench/capacity.py computes from."""
    look = {part: sum(costs[s][part] for s in LOOK) for part in costs["link"]}
    vote = {part: sum(costs[s][part] for s in STEPS if s not in LOOK) for part in look}
    named = [
        (f"{what} {part}", figures[part])
        for what, figures in (("look", look), ("vote", vote))
        for part in ("web", "database", "proxy")
    ]
    of_ours = sum(knee.cpu[part] for part in knee.cpu if part not in ("generator", "carrier"))
    return [
        *(
            {"name": name, "ours": round(ms, 2), "floor": 0.0, "unit": "CPU ms", "note": "stress"}
            for name, ms in named
        ),
        {
            "name": "journeys a core",
            "ours": round(1000 / of_ours, 2),
            "floor": 0.0,
            "unit": "journeys/s",
            "note": "1 s of processor time of ours / that of a journey at the knee",
        },
    ]


def report(
    costs: dict[str, dict[str, float]],
    levels: list[Level],
    knee: Level,
    peaks: list[tuple[int, Level]],
    *,
    limit: float,
) -> str:
    """The dated report in Markdown."""
    now = datetime.now(UTC)  # noqa: TID251 - a report is dated when it is written
    cores = os.cpu_count() or 1
    measured = {row["name"]: row["ours"] for row in rows(costs, knee)}
    parts = ("web", "database", "proxy", "redis", "sequencer", "carrier", "generator")
    lines = [
        f"# Load report of {now:%Y-%m-%d %H:%M} UTC",
        "",
        (
            f"{cores} cores, shared with the generator and whatever else ran: load"
            f" {os.getloadavg()[0]:.0f}. A journey is {len(STEPS) + 1} requests over TLS."
        ),
        "",
        (
            f"**Knee: {knee.offered:.1f} journeys a second** (p99 {knee.p99 * 1000:.0f} ms, limit"
            f" {limit * 1000:.0f} ms). A core of ours does {measured['journeys a core']} journeys"
            " a second."
        ),
        "",
        "## Until it bends",
        "",
        TABLE,
        *(line_of(level) for level in levels),
        "",
        "## Peak, twice, three times",
        "",
        TABLE.replace("| offered", "| planned | offered").replace("| ---:", "| --- | ---:", 1),
        *(f"| {times}x {line_of(level)}" for times, level in peaks),
        "",
        "## What a step costs, CPU ms",
        "",
        "| step | " + " | ".join(parts) + " |",
        "| --- |" + " ---: |" * len(parts),
        *(
            f"| {step} | " + " | ".join(f"{costs[step][part]:.2f}" for part in parts) + " |"
            for step in STEPS
        ),
        "",
    ]
    return "\n".join(lines)


TABLE = (
    "| offered/s | confirmed/s | waiting | refused | p50 ms | p99 ms | CPU ms web | database"
    " | generator | machine busy |\n"
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def line_of(level: Level) -> str:
    return (
        f"| {level.offered:.1f} | {level.answered:.1f} | {level.waiting} | {level.refused}"
        f" | {level.p50 * 1000:.0f} | {level.p99 * 1000:.0f} | {level.cpu['web']:.1f}"
        f" | {level.cpu['database']:.1f} | {level.cpu['generator']:.1f}"
        f" | {level.machine_busy:.0%} |"
    )
