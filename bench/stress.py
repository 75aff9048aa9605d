"""`make stress`: ramp the whole journey until it bends, and say what each step costs.

`python -m bench.stress [--seconds S] [--limit S] [--peak N]`. People arrive at a steady rate at the
installation of the drills, whether or not those before them were served: link, code, ballot,
review, cast, confirmation, over TLS through nginx. The knee is the highest rate at which nothing
fails and the slowest hundredth of requests stays under the limit. Then come the rows that a
regulator asks for: the planned peak, twice and three times of it. Every rate is measured beside
what else the machine does; processor time is counted by process and is per core. At the end the
database is asked what a holder takes on the disk.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.stress_report import STEPS, TABLE, Level, knee_of, line_of, report, rows
from drills.installation import HOST, Installation, make_tables
from drills.parts import ROOT
from drills.phones import Phone
from drills.processor_time import busy_and_all, seconds_of

DATA = ROOT / ".data" / "stress"
RESULTS = Path(__file__).with_name("stress.json")
HOLDERS = 25_000
FIRST, FASTER = 2.0, 1.5  # journeys a second, and the step of the ramp
MOST_LEVELS = 9
SINGLE = 60  # journeys walked one after the other for the costs of the steps


class Stress:
    """The installation under load, its generator, and who has not come yet."""

    def __init__(self, installation: Installation, crowd: Any, generator: Any) -> None:
        self.installation, self.crowd, self.generator = installation, crowd, generator

    def processor_seconds(self) -> dict[str, float]:
        pids = {name: [part.pid] for name, part in self.installation.parts.items()}
        web = [part.pid for part in self.installation.web]
        return seconds_of(
            {
                "web": web,
                "database": pids["postgres"],
                "proxy": pids["nginx"],
                "redis": pids["redis"],
                "sequencer": pids["sequencer"],
                "carrier": pids["simulator"],
                "generator": [self.generator.pid],
            }
        )

    def redis_seconds(self) -> float:
        """What its commands have taken since it was started."""
        import redis

        client = redis.Redis(unix_socket_path=str(self.installation.redis_socket))
        taken = sum(command["usec"] for command in client.info("commandstats").values())
        client.close()
        return float(taken) / 1e6

    def level(self, rate: float, seconds: float) -> Level:
        people = self.crowd.take(max(1, round(rate * seconds)))
        order = {
            "people": [asdict(person) for person in people],
            "rate": rate,
            "seconds": seconds,
            "portal": [HOST, self.installation.ports["https"]],
            "simulator": self.installation.simulator_url,
        }
        before, machine, wal = self.processor_seconds(), busy_and_all(), _wal_bytes()
        self.generator.stdin.write(json.dumps(order) + "\n")
        self.generator.stdin.flush()
        found = json.loads(self.generator.stdout.readline())
        after, machine_after = self.processor_seconds(), busy_and_all()
        requests = [took for step in found["steps"].values() for took in step]
        confirmed = found["answers"].get("acknowledged", 0)
        others = sum(found["answers"].values()) - confirmed
        return Level(
            offered=rate,
            answered=confirmed / found["seconds"],
            waiting=found["waiting"],
            refused=others,
            p50=statistics.median(requests),
            p99=_p99([*requests, *found["lags"]]),
            cpu={name: 1000 * (after[name] - before[name]) / max(1, confirmed) for name in after},
            machine_busy=(machine_after[0] - machine[0]) / (machine_after[1] - machine[1]),
            failures=found["failures"],
            wal=(_wal_bytes() - wal) / max(1, confirmed),
        )

    def costs(self) -> dict[str, dict[str, float]]:
        """Milliseconds of processor time by step and part, one holder after the other.

        Redis says itself what its commands took: the kernel's ticks are longer than they.
        """
        phones = [
            Phone(person, (HOST, self.installation.ports["https"]), self.installation.simulator_url)
            for person in self.crowd.take(SINGLE)
        ]
        costs = {}
        for step in STEPS:
            time.sleep(0.6)  # what an earlier step has left to do is not this one's
            before = self.processor_seconds() | {"redis": self.redis_seconds()}
            for phone in phones:
                _take(phone, step)
            after = self.processor_seconds() | {"redis": self.redis_seconds()}
            costs[step] = {n: 1000 * (after[n] - before[n]) / len(phones) for n in after}
        return costs


def _take(phone: Phone, step: str) -> None:
    """One step of one holder's way, as `Phone.vote` takes them all."""
    meeting, person = phone.person.meeting, phone.person
    match step:
        case "link":
            phone.open_link()
        case "begin":
            phone.ask("begin", "POST", person.path, csrfmiddlewaretoken=phone.cookies["csrf"])
        case "code":
            phone.give_code(f"/m/{meeting}/code")
        case "ballot":
            phone.open_ballot()
        case "review":
            phone.review()
        case "cast":
            phone.press_cast()
        case "code page":
            phone.expect(step, "GET", f"/m/{meeting}/code")
        case "confirmation":
            phone.expect(step, "GET", f"/m/{meeting}/confirmation")


def ramp(stress: Stress, *, seconds: float, limit: float) -> tuple[list[Level], Level]:
    """Levels up to the first that does not hold, and the last that did.

    A level that fails is tried once more: what others do on the machine is not the system's bend.
    """
    levels: list[Level] = []
    rate = FIRST
    for _level in range(MOST_LEVELS):
        for _try in range(2):
            levels.append(stress.level(rate, seconds))
            _say(line_of(levels[-1]))
            if levels[-1].holds(limit):
                break
        else:
            break
        rate *= FASTER
    return levels, knee_of(levels, limit=limit)


def register_bytes(meeting_id: int) -> float:
    """What a holder of the register takes on the disk, holdings and indexes included."""
    from django.db import connection

    holders, holdings = (f"meetings_{what}_m{meeting_id}" for what in ("holder", "holding"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT (pg_total_relation_size('{holders}') + pg_total_relation_size('{holdings}'))"
            f" / count(*)::float FROM {holders}"
        )
        return float(cursor.fetchone()[0])


def _wal_bytes() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT (pg_current_wal_lsn() - '0/0')::float")
        return float(cursor.fetchone()[0])


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] if len(seconds) > 1 else 0.0


def _say(words: str) -> None:
    print(words, flush=True)


@contextmanager
def _generator() -> Iterator[Any]:
    """The arrivals' process, ended with the block."""
    command = [sys.executable, "-m", "bench.arrivals"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="length of a level (8)")
    parser.add_argument("--limit", type=float, default=1.0, help="most seconds of the p99 (1)")
    parser.add_argument("--peak", type=float, default=0, help="planned journeys/s (half the knee)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    installation = Installation(DATA)
    with installation.servers():
        make_tables()
        from drills.people import Crowd, make_meeting, voters_of

        meeting = make_meeting(holders=HOLDERS, directory=DATA, lasts=timedelta(hours=2))
        installation.start_processes()
        with _generator() as generator:
            stress = Stress(installation, Crowd(voters_of(meeting)), generator)
            stress.level(FIRST, 3)  # warm
            costs = stress.costs()
            _say(TABLE)
            levels, knee = ramp(stress, seconds=options.seconds, limit=options.limit)
            peak = options.peak or knee.offered / 2
            peaks = []
            for times in (1, 2, 3):
                peaks.append((times, stress.level(times * peak, options.seconds)))
                _say(f"| {times}x {line_of(peaks[-1][1])}")
            # The ramp may have ended for what others did: what held later counts as well.
            knee = knee_of([*levels, *(level for _times, level in peaks)], limit=options.limit)
            stored = register_bytes(meeting.pk)
    text = report(costs, levels, knee, peaks, limit=options.limit, stored=stored)
    now = datetime.now(UTC)  # noqa: TID251 - as above
    file = DATA / f"{now:%Y-%m-%dT%H%M%SZ}.md"
    file.write_text(text, encoding="utf-8")
    everything = {
        "costs": costs,
        "levels": [asdict(level) for level in levels],
        "knee": asdict(knee),
        "peaks": [[times, asdict(level)] for times, level in peaks],
    }
    file.with_suffix(".json").write_text(json.dumps(everything, indent=1) + "\n")
    RESULTS.write_text(json.dumps(rows(costs, knee, stored=stored), indent=1) + "\n")
    print(f"\n{text}\n{file}")


if __name__ == "__main__":
    main()
