"""`./manage.py run_scenario FILE...`: play scenarios and compare; exit 0 when all hold."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ballots.scenario import Unsupported, run_scenario
from meetings.lifecycle import CannotAdvance


class Command(BaseCommand):
    help = "Play scenario files through the real parts and print one JSON object a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path)

    def handle(self, *, files: list[Path], **_options: Any) -> None:
        held = 0
        for file in files:
            try:
                outcome = run_scenario(json.loads(file.read_text()))
            except Unsupported as refusal:
                outcome = {"name": file.stem, "ok": False, "unsupported": str(refusal)}
            except (OSError, ValueError, KeyError, CannotAdvance) as error:
                outcome = {
                    "name": file.stem,
                    "ok": False,
                    "error": f"{type(error).__name__}: {error}",
                }
            held += outcome["ok"]
            self.stdout.write(json.dumps(outcome, ensure_ascii=False))
        sys.exit(0 if held == len(files) else 1)
