"""`python -m bench.capacity`: from measured rates to what a day of many meetings needs.

Reads the rows that `make bench` wrote (bench/results.json) and prints the table that
docs/capacity.md quotes. Every assumption is an option. The bench runs client, web server and
database on the same cores, so a rate a core is a lower bound and the cores here are an upper one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")
NEEDED = ("open page", "vote page", "vote", "send", "receipts", "import dbf")
MOBILE_HOURS = 8 * 3600  # seconds in which messages may go out the day before
NIGHT = 8 * 3600  # seconds for the registers
# Bytes a row with its indexes, as PostgreSQL said of 20,000 rows each (docs/capacity.md).
HOLDER_BYTES, HOLDING_BYTES, DELIVERY_BYTES, BALLOT_BYTES = 342, 192, 102, 480
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
    statements: int = 16  # that these make the database run
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
    """What was measured, a core: rates of the bench divided by the machine's cores."""

    pages: float
    casts: float
    statements: float  # of one connection
    messages: float
    receipts: float
    rows: float

    @classmethod
    def read(cls, results: list[dict[str, object]], *, cores: int) -> Rates:
        """From the rows of the bench; KeyError names a row that was not measured."""
        ours = {row["name"]: float(str(row["ours"])) for row in results}
        floor = {row["name"]: float(str(row["floor"])) for row in results}
        loaded = next(
            int(str(row["note"]).split()[0].replace(",", ""))
            for row in results
            if row["name"] == "import dbf"
        )
        return cls(
            pages=ours["open page"] / cores,
            casts=ours["vote page"] / cores,
            statements=floor["vote"],
            messages=ours["send"] / cores,
            receipts=ours["receipts"] / cores,
            rows=loaded / ours["import dbf"] / cores,
        )


def needs(day: Day, rates: Rates, *, times: float) -> dict[str, str]:
    """What a peak of so many `times` asks for, as words by name."""
    votes = day.votes_a_second * times
    holders = day.registered * times
    web = votes * (day.looking / rates.pages + day.requests / rates.casts)
    connections = votes * day.statements / rates.statements
    messages = holders * day.segments / MOBILE_HOURS
    rows = holders * (HOLDER_BYTES + HOLDING_BYTES + DELIVERY_BYTES)
    rows += holders * day.voting * BALLOT_BYTES
    bits = votes * (day.looking + day.requests / 2) * PAGE_BYTES * 8

    def cores(busy: float) -> str:
        return f"{math.ceil(busy / day.utilisation):,}"

    return {
        "votes a second": f"{votes:,.0f}",
        "requests a second": f"{votes * (day.looking + day.requests):,.0f}",
        "cores for web servers": cores(web),
        "cores for PostgreSQL": cores(connections),
        "one-time codes a second, segments": f"{votes * day.segments:,.0f}",
        "notices a second, segments": f"{messages:,.0f}",
        "cores for worker-sending": cores(messages / day.segments / rates.messages),
        "cores for receipts": cores(messages / rates.receipts),
        "cores for worker-registers, by night": cores(holders / rates.rows / NIGHT),
        "network out, Mbit/s": f"{bits / 1e6:,.0f}",
        "storage of the day, GB": f"{rows / 1e9:,.0f}",
    }


def table(day: Day, rates: Rates) -> str:
    """Peak, twice and three times the peak, as Markdown."""
    columns = [needs(day, rates, times=times) for times in (1, 2, 3)]
    lines = ["| | peak | 2x | 3x |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {name} | {' | '.join(c[name] for c in columns)} |" for name in columns[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.capacity", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="what make bench wrote")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="of that machine")
    for field in fields(Day):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = vars(parser.parse_args())
    path, cores = options.pop("results"), options.pop("cores")
    try:
        rates = Rates.read(json.loads(path.read_text()), cores=cores)
    except FileNotFoundError:
        parser.error(f"{path} is not there: run `make bench` first")
    except (KeyError, StopIteration) as missing:
        parser.error(f"{path} lacks the row {missing}; it needs {', '.join(NEEDED)}: `make bench`")
    print(table(Day(**options), rates))


if __name__ == "__main__":
    main()
