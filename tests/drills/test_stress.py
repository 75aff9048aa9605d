"""The load report: where the knee is found, and what its rows say to the capacity's program."""

from __future__ import annotations

import os

import pytest

from bench.arrivals import arrive
from bench.stress import ramp
from bench.stress_report import STEPS, Level, knee_of, report, rows

PARTS = ("web", "database", "proxy", "redis", "sequencer", "carrier", "generator")
CPU = dict.fromkeys(PARTS, 4.0)


def level(offered, **others):
    usual = {"answered": offered, "waiting": 0, "refused": 0, "p50": 0.02, "p99": 0.2}
    rest = {"cpu": CPU, "machine_busy": 0.5, "failures": {}}
    return Level(offered, **{**usual, **rest, **others})


class Bending:
    """Holds up to a rate; what it does beyond is `beyond`, but for `flukes` first tries."""

    def __init__(self, bends_at, *, beyond, flukes=0):
        self.bends_at, self.beyond, self.flukes = bends_at, beyond, flukes
        self.asked = []

    def level(self, rate, _seconds):
        self.asked.append(rate)
        if self.flukes:
            self.flukes -= 1
            return level(rate, **self.beyond)
        return level(rate, **(self.beyond if rate > self.bends_at else {}))


@pytest.mark.parametrize(
    "beyond", [{"p99": 1.01}, {"refused": 1}, {"waiting": 1}, {"answered": 3.8}]
)
def test_the_knee_is_the_last_rate_at_which_everybody_is_served_in_time(beyond):
    stress = Bending(5, beyond=beyond)

    levels, knee = ramp(stress, seconds=1, limit=1.0)

    assert knee.offered == 4.5
    assert stress.asked == [2.0, 3.0, 4.5, 6.75, 6.75]
    assert len(levels) == 5


def test_one_slow_moment_of_the_machine_is_not_the_knee():
    stress = Bending(5, beyond={"p99": 3.0}, flukes=1)

    _levels, knee = ramp(stress, seconds=1, limit=1.0)

    assert knee.offered == 4.5


def test_what_held_after_the_ramp_counts_for_the_knee():
    """Others on the machine may have ended the ramp."""
    ramped = [level(2.0), level(3.0, p99=1.5)]

    assert knee_of([*ramped, level(4.5), level(6.0, refused=1)], limit=1.0).offered == 4.5
    assert knee_of(ramped[1:], limit=1.0).offered == 3.0  # the first, where none held


def test_a_level_says_how_much_of_the_machine_was_its_own():
    cores = os.cpu_count() or 1

    busy = level(10.0, cpu={"web": 40.0, "generator": 10.0}, machine_busy=1.0)

    assert busy.busy_for_us == pytest.approx(0.5 / cores)


def test_what_a_look_and_a_vote_cost_is_the_sum_of_their_steps():
    costs = {step: dict.fromkeys(PARTS, float(n)) for n, step in enumerate(STEPS, start=1)}

    found = {row["name"]: row["ours"] for row in rows(costs, level(4.0), stored=600.0)}

    assert found["look web"] == 1.0
    assert found["vote database"] == sum(range(2, 9))
    # Five parts are ours: the carrier and the generator stand for others.
    assert found["journeys a core"] == 50.0


def test_the_report_has_the_rows_that_a_regulator_asks_for():
    costs = dict.fromkeys(STEPS, CPU)

    text = report(
        costs,
        [level(2.0)],
        level(2.0),
        [(n, level(n * 1.0)) for n in (1, 2, 3)],
        limit=1.0,
        stored=600.0,
    )

    assert all(f"\n| {times}x | {times}.0 | " in text for times in (1, 2, 3))
    assert "**Knee: 2.0 journeys a second**" in text
    assert all(f"\n| {step} | 4.00 |" in text for step in STEPS)


def test_where_nobody_answers_every_arrival_is_accounted_for(free_port):
    person = {"holder": 1, "meeting": 1, "phone": "1", "path": "/v/x", "shares": 1}
    people = [{**person, "fields": {}, "choices": {}}] * 20

    found = arrive(
        people=people,
        rate=200.0,
        seconds=0.1,
        portal=["127.0.0.1", free_port],
        simulator="http://127.0.0.1:1",
    )

    assert found["answers"] == {"unsent": 20}
    assert found["failures"] == {"link: ConnectionRefusedError": 20}
    assert found["waiting"] == 0
