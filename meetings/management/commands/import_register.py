"""Import a register file into a meeting: load it, and approve it as a second person."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meetings.lifecycle import CannotAdvance
from meetings.management.output import (
    ProgressBar,
    faults_file,
    findings_table,
    kept_findings,
    peak_megabytes,
    places,
    write_faults,
)
from meetings.models import Meeting, Register
from meetings.register.loading import approve_register, load_register


class Command(BaseCommand):
    help = "Import a register file into a meeting; exit status 1 when it is refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int, help="the meeting's id")
        parser.add_argument("file", type=Path)
        parser.add_argument("--holders", type=int, help="stated number of accounts (户数)")
        parser.add_argument("--shares", type=int, help="stated sum of shares")
        parser.add_argument("--record-date", type=date.fromisoformat, help="stated record date")
        parser.add_argument("--by", default="command:import", help="who loads it")
        parser.add_argument("--approve", default="command:approval", help="who approves it")
        parser.add_argument(
            "--wait", action="store_true", help="leave the approval to a person in the admin"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--faults", type=faults_file, metavar="FILE", help="all faults as CSV")

    def handle(self, *_args: Any, **options: Any) -> None:
        started = time.monotonic()
        path: Path = options["file"]
        bar = ProgressBar(sys.stderr)
        try:
            with path.open("rb") as file:
                register = load_register(
                    options["meeting"],
                    file,
                    file_name=path.name,
                    stated_holders=options["holders"],
                    stated_shares=options["shares"],
                    stated_record_date=options["record_date"],
                    by=options["by"],
                    now=timezone.now(),
                    progress=bar,
                )
            bar.clear()
            write_faults(options["faults"], bytes(register.fault_list))
            if register.state == Register.State.CHECKED and not options["wait"]:
                register = approve_register(register.pk, by=options["approve"], now=timezone.now())
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except Meeting.DoesNotExist:
            raise CommandError(f"There is no meeting {options['meeting']}.") from None
        except CannotAdvance as refusal:
            raise CommandError(str(refusal)) from None
        say = _as_json if options["json"] else _as_text
        self.stdout.write(say(register, seconds=time.monotonic() - started))
        if register.state == Register.State.REFUSED:
            sys.exit(1)


def _as_json(register: Register, *, seconds: float) -> str:
    errors, warnings = kept_findings(register.errors), kept_findings(register.warnings)
    content = {
        "status": register.state.lower(),
        "register": register.pk,
        "version": register.version,
        "rows": register.rows_read,
        "rows_loaded": register.rows_loaded,
        "rows_refused": register.rows_refused,
        "accounts": register.accounts,
        "holders": register.holders,
        "shares": register.shares,
        "errors": places(errors),
        "warnings": places(w for w in warnings if w.kind != "UNKNOWN_COLUMN"),
        "unknown_columns": [w.column for w in warnings if w.kind == "UNKNOWN_COLUMN"],
        "seconds": round(seconds, 3),
    }
    return json.dumps(content, ensure_ascii=False)


def _as_text(register: Register, *, seconds: float) -> str:
    loaded, refused = register.rows_loaded, register.rows_refused
    speed = register.rows_read / seconds
    shares = ", ".join(f"{code} {total:,}" for code, total in register.shares.items())
    return "\n".join(
        [
            f"{register.file_name} version {register.version}: {register.state.lower()}",
            f"read {register.rows_read:,} = loaded {loaded:,} + refused {refused:,} rows",
            f"{register.accounts:,} accounts, {register.holders:,} holders, shares {shares or '-'}",
            f"{seconds:.1f} s, {speed:,.0f} rows/s, at most {peak_megabytes()} MB",
            *findings_table("errors", kept_findings(register.errors)),
            *findings_table("warnings", kept_findings(register.warnings)),
        ]
    )
