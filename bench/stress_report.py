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
    wal: float = 0.0  # bytes of WAL a journey

    @property
    def busy_for_us(self) -> float:
        """Part of all cores that worked for these journeys, the holders' phones included."""
        return self.answered * sum(self.cpu.values()) / 1000 / (os.cpu_count() or 1)

    def holds(self, limit: float) -> bool:
        """Whether everybody was served, in time, and none more came than went."""
        is_kept_up = self.answered >= KEPT_UP * self.offered
        return is_kept_up and not self.refused and not self.waiting and self.p99 <= limit


def knee_of(levels: list[Level], *, limit: float) -> Level:
    """The fastest level that held; the first one where none did."""
    holding = [level for level in levels if level.holds(limit)]
    return max(holding, key=lambda level: level.offered) if holding else levels[0]


def rows(
    costs: dict[str, dict[str, float]], knee: Level, *, stored: float
) -> list[dict[str, object]]:
    """As `make bench` writes its rows: what bench/capacity.py computes from.

    `stored` are the bytes of a holder on the disk.
    """
    look = {part: sum(costs[s][part] for s in LOOK) for part in costs["link"]}
    vote = {part: sum(costs[s][part] for s in STEPS if s not in LOOK) for part in look}
    named = [
        (f"{what} {part}", figures[part])
        for what, figures in (("look", look), ("vote", vote))
        for part in ("web", "database", "proxy", "redis")
    ]
    of_ours = sum(knee.cpu[part] for part in knee.cpu if part not in ("generator", "carrier"))
    a_core = "1 s of processor time of ours / that of a journey at the knee"
    figures_of = [
        *((name, ms, "CPU ms", "stress") for name, ms in named),
        ("journeys a core", 1000 / of_ours, "journeys/s", a_core),
        ("journey WAL", knee.wal, "bytes", "at the knee, pages written whole included"),
        ("holder stored", stored, "bytes", "with holdings and indexes"),
    ]
    return [
        {"name": name, "ours": round(figure, 2), "floor": 0.0, "unit": unit, "note": note}
        for name, figure, unit, note in figures_of
    ]


def report(
    costs: dict[str, dict[str, float]],
    levels: list[Level],
    knee: Level,
    peaks: list[tuple[int, Level]],
    *,
    limit: float,
    stored: float,
) -> str:
    """The dated report in Markdown; `stored` as for `rows`."""
    now = datetime.now(UTC)  # noqa: TID251 - a report is dated when it is written
    cores = os.cpu_count() or 1
    measured = {row["name"]: row["ours"] for row in rows(costs, knee, stored=stored)}
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
            f" {limit * 1000:.0f} ms), when {knee.busy_for_us:.0%} of the machine worked for it and"
            f" {knee.machine_busy:.0%} for anybody. A core of ours does"
            f" {measured['journeys a core']} journeys a second; a journey writes"
            f" {measured['journey WAL']:,.0f} bytes of WAL; a holder takes {stored:,.0f} bytes."
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
    " | generator | busy for us | machine busy |\n"
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def line_of(level: Level) -> str:
    return (
        f"| {level.offered:.1f} | {level.answered:.1f} | {level.waiting} | {level.refused}"
        f" | {level.p50 * 1000:.0f} | {level.p99 * 1000:.0f} | {level.cpu['web']:.1f}"
        f" | {level.cpu['database']:.1f} | {level.cpu['generator']:.1f}"
        f" | {level.busy_for_us:.0%} | {level.machine_busy:.0%} |"
    )
