"""`./manage.py dial`: a synthetic holder votes in a rehearsal from outside; for cron and people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from voting_portal.dialling import Dial, dial, handset_reader

FAILED, SLOW = 1, 2


class Command(BaseCommand):
    help = (
        "Vote in a rehearsal over HTTP, step by step, and say how long each step took. Exit code "
        "0: all well; 1: a step failed; 2: it took longer than --within. The code is read from the "
        "simulated handset, or from a line of the standard input once it was sent."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True, help="personal link of a rehearsal's holder")
        parser.add_argument("--handset", help="address of the gateway simulator")
        parser.add_argument("--phone", help="the holder's number on that handset")
        parser.add_argument(
            "--within", type=float, default=10, help="seconds that the portal may take (10)"
        )
        parser.add_argument(
            "--code-within", type=float, default=60, help="seconds until the code is there (60)"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, no table")

    def handle(self, **options: Any) -> None:
        found = dial(options["url"], read_code=self._reader(options))
        self.stdout.write(json.dumps(found.report()) if options["json"] else _table(found))
        if found.fault:
            raise CommandError(found.fault, returncode=FAILED)
        if found.seconds > options["within"]:
            raise CommandError(
                f"The portal took {found.seconds:.1f} s, more than {options['within']:g} s.",
                returncode=SLOW,
            )

    def _reader(self, options: dict[str, Any]) -> Callable[[], str]:
        if not options["handset"]:
            return self._ask
        if not options["phone"]:
            raise CommandError("--handset needs --phone: whose messages to read.")
        try:
            return handset_reader(
                options["handset"], phone=options["phone"], within=options["code_within"]
            )
        except OSError as error:
            raise CommandError(f"--handset: no answer ({error}).") from None

    def _ask(self) -> str:
        self.stderr.write("Code: ", ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip()


def _table(found: Dial) -> str:
    lines = [f"{'step':<14}{'HTTP':>6}{'seconds':>10}"]
    lines += [
        f"{step.name:<14}{step.status or '-':>6}{step.seconds:>10.3f}" for step in found.steps
    ]
    lines.append(f"{'portal':<14}{'':>6}{found.seconds:>10.3f}")
    if not found.fault:
        lines.append("A ballot was cast." if found.has_cast else "The holder had voted before.")
    return "\n".join(lines)
