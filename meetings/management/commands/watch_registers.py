"""Watch the folder into which the dedicated line delivers registers."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meetings.register.watching import Watch


class Command(BaseCommand):
    help = "Load each register that is complete in DIR (FILE with FILE.sha256) once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--once", action="store_true", help="look once and end")
        parser.add_argument("--every", type=float, default=5, help="seconds between two looks")

    def handle(self, *_args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder.")
        watch = Watch(folder)
        try:
            while True:
                for sighting in watch.look(now=timezone.now()):
                    self.stdout.write(f"{sighting.file_name}: {sighting.words}")
                    self.stdout.flush()
                if options["once"]:
                    return
                time.sleep(options["every"])
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
