"""Run the rows and print them: `python -m bench [--rows N] [--seconds S] [ROW ...]`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
from pathlib import Path

import django

ROWS = (
    "import_register",
    "link",
    "flood",
    "open_page",
    "pages",
    "vote",
    "plan",
    "log",
    "send",
    "dialects",
    "links",
    "receipts",
    "tally",
    "detail",
    "verify",
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the bulk jobs")
    parser.add_argument("--seconds", type=float, default=5, help="length of the request rates")
    parser.add_argument("only", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    options = parser.parse_args()

    os.environ["DJANGO_SETTINGS_MODULE"] = "voting_portal.settings"
    from voting_portal import embedded

    embedded.start_what_is_missing()
    django.setup()
    from django.conf import settings
    from django.db import connection

    from bench import Scale

    connection.settings_dict["TEST"]["NAME"] = "bench_portal"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    results = []
    try:
        print(f"{'row':<28}{'ours':>14}{'floor':>14} {'unit':<12}{'ratio':>7}  note")
        for name in options.only or ROWS:
            module = importlib.import_module(f"bench.{name}")
            for row in module.measure(Scale(rows=options.rows, seconds=options.seconds)):
                results.append({**dataclasses.asdict(row), "ratio": round(row.ratio, 2)})
                figures = f"{row.ours:>14,.1f}{row.floor:>14,.1f} {row.unit:<12}{row.ratio:>6.1f}x"
                print(f"{row.name:<28}{figures}  {row.note}", flush=True)
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], verbosity=0)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
