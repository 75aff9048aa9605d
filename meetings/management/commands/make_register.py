"""Make a register of people who do not exist, to try things out with."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meetings.management.output import ProgressBar
from meetings.register.synthetic import write_register


class Command(BaseCommand):
    help = "Write a synthetic register and, beside it, its totals as OUT.totals.json."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("out", type=Path)
        parser.add_argument("--holders", type=int, required=True)
        parser.add_argument("--format", choices=["dbf", "csv", "xlsx"], default="dbf")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--security-code", default="600000")
        parser.add_argument("--record-date", type=date.fromisoformat, default=date(2026, 6, 23))
        parser.add_argument("--shares-total", type=int, help="what all rows sum up to")

    def handle(self, *_args: Any, **options: Any) -> None:
        bar = ProgressBar(sys.stderr)
        try:
            totals = write_register(
                options["out"],
                holders=options["holders"],
                format=options["format"],
                seed=options["seed"],
                security_code=options["security_code"],
                record_date=options["record_date"],
                shares_total=options["shares_total"],
                progress=bar,
            )
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        bar.clear()
        self.stdout.write(json.dumps(asdict(totals), ensure_ascii=False))
