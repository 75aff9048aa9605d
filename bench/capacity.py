"""`python -m bench.capacity`: from measured rates to what a day of many meetings needs.

Reads what `make stress` (bench/stress.json: processor time of a look and of a vote, by process) and
`make bench` (bench/results.json: messages, receipts, registers, the log) wrote and prints the table
that docs/capacity.md quotes. Both are of the machine at hand and no part of the repository; what
the document was computed from is kept in bench/measured.json. Every assumption is an option. The
bench runs client and server on the same cores, so a rate a core is a lower bound and the cores here
are an upper one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

RESULTS = [Path(__file__).with_name(name) for name in ("stress.json", "results.json")]
PARTS = ("web", "database", "proxy", "redis")
OF_PARTS = tuple(f"{what} {part}" for what in ("look", "vote") for part in PARTS)
NEEDED = (
    *(*OF_PARTS, "journey WAL", "holder stored"),
    *("send", "receipts", "import dbf", "log drain"),
)
MOBILE_HOURS = 8 * 3600  # seconds in which messages may go out the day before
NIGHT = 8 * 3600  # seconds for the registers
# Bytes a row with its indexes, as PostgreSQL said of 20,000 rows each (docs/capacity.md).
DELIVERY_BYTES, BALLOT_BYTES, LEAF_BYTES, CODE_BYTES = 102, 571, 225, 313
PAGE_BYTES = 14_000  # the most that a page may have, gzipped; the tests insist


@dataclass(frozen=True)
class Day:
    """What is assumed of the day; shares are of 1."""

    holders: int = 200_000_000  # on all registers together
    issuers: int = 2_300
    meetings: int = 300  # on this day
    voting: float = 0.10  # of a register's holders, by this way
    looking: float = 3.0  # landing pages opened for one vote that is cast
    rush: float = 0.20  # of the day's voters come in the rush
    rush_seconds: int = 600  # from 9:15 on
    requests: int = 8  # from the button to the confirmation
    notices: float = 2.0  # messages planned for a holder: the notice and a reminder
    utilisation: float = 0.60  # that cores may have at the peak
    segments: float = 1.3  # of an SMS to a message

    @property
    def registered(self) -> float:
        """Holders on the registers of this day's meetings."""
        return self.holders / self.issuers * self.meetings

    @property
    def votes_a_second(self) -> float:
        return self.registered * self.voting * self.rush / self.rush_seconds


@dataclass(frozen=True)
class Rates:
    """What was measured: processor time by part, and rates a core."""

    look: Mapping[str, float]  # milliseconds of each part for a landing page
    vote: Mapping[str, float]  # and from the button to the confirmation
    messages: float  # a second and core, as the rest
    receipts: float
    rows: float
    leaves: float  # a second, by the one sequencer
    wal: float  # bytes of a journey
    stored: float  # bytes of a holder with the holdings

    @classmethod
    def read(cls, results: list[dict[str, object]], *, cores: int) -> Rates:
        """From the rows of the bench; KeyError names a row that was not measured."""
        ours = {row["name"]: float(str(row["ours"])) for row in results}
        loaded = next(
            int(str(row["note"]).split()[0].replace(",", ""))
            for row in results
            if row["name"] == "import dbf"
        )
        return cls(
            look={part: ours[f"look {part}"] for part in PARTS},
            vote={part: ours[f"vote {part}"] for part in PARTS},
            messages=ours["send"] / cores,
            receipts=ours["receipts"] / cores,
            rows=loaded / ours["import dbf"] / cores,
            leaves=ours["log drain"],
            wal=ours["journey WAL"],
            stored=ours["holder stored"],
        )


def needs(day: Day, rates: Rates, *, times: float) -> dict[str, str]:
    """What a peak of so many `times` asks for, as words by name."""
    votes = day.votes_a_second * times
    holders = day.registered * times
    busy = {
        part: votes * (day.looking * rates.look[part] + rates.vote[part]) / 1000 for part in PARTS
    }
    messages = holders * day.segments / MOBILE_HOURS
    loaded = holders * (rates.stored + day.notices * DELIVERY_BYTES)
    cast = holders * day.voting * (BALLOT_BYTES + LEAF_BYTES + CODE_BYTES)
    # What is loaded is written to the WAL as well, a ballot's journey at the rate measured.
    wal = loaded + holders * day.voting * rates.wal
    bits = votes * (day.looking + day.requests / 2) * PAGE_BYTES * 8

    def cores(busy: float) -> str:
        return f"{math.ceil(busy / day.utilisation):,}"

    return {
        "votes a second": f"{votes:,.0f}",
        "requests a second": f"{votes * (day.looking + day.requests):,.0f}",
        "cores for web servers": cores(busy["web"]),
        "cores for PostgreSQL": cores(busy["database"]),
        "cores for nginx": cores(busy["proxy"]),
        "Redis, of its one core": f"{busy['redis']:.0%}",
        "sequencer, of what it drains": f"{votes / rates.leaves:.0%}",
        "one-time codes a second, segments": f"{votes * day.segments:,.0f}",
        "notices a second, segments": f"{messages:,.0f}",
        "cores for worker-sending": cores(messages / day.segments / rates.messages),
        "cores for receipts": cores(messages / rates.receipts),
        "cores for worker-registers, by night": cores(holders / rates.rows / NIGHT),
        "network out, Mbit/s": f"{bits / 1e6:,.0f}",
        "WAL in the rush, MB/s": f"{votes * rates.wal / 1e6:,.0f}",
        "storage of the day, GB": f"{(loaded + cast) / 1e9:,.0f}",
        "WAL of the day, GB": f"{wal / 1e9:,.0f}",
    }


def table(day: Day, rates: Rates) -> str:
    """Peak, twice and three times the peak, as Markdown."""
    columns = [needs(day, rates, times=times) for times in (1, 2, 3)]
    lines = ["| | peak | 2x | 3x |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {name} | {' | '.join(c[name] for c in columns)} |" for name in columns[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.capacity", description=__doc__)
    parser.add_argument(
        "--results", type=Path, nargs="+", default=RESULTS, help="what make stress and bench wrote"
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="of that machine")
    for field in fields(Day):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = vars(parser.parse_args())
    paths, cores = options.pop("results"), options.pop("cores")
    for path in paths:
        if not path.exists():
            make = "stress" if path.name == "stress.json" else "bench"
            parser.error(f"{path} is not there: run `make {make}` first")
    try:
        rows = [row for path in paths for row in json.loads(path.read_text())]
        rates = Rates.read(rows, cores=cores)
    except (KeyError, StopIteration) as missing:
        parser.error(f"no row {missing}; it needs {', '.join(NEEDED)}: `make stress bench`")
    print(table(Day(**options), rates))


if __name__ == "__main__":
    main()
