"""Import a side list of a meeting: recused holders, phones and the like."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meetings.lifecycle import CannotAdvance
from meetings.management.output import findings_table, kept_findings
from meetings.models import Meeting
from meetings.register.side_lists import LISTS, import_list


class Command(BaseCommand):
    help = "Import a side list into a meeting; exit status 1 when it is refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int, help="the meeting's id")
        parser.add_argument("list", choices=sorted(LISTS))
        parser.add_argument("file", type=Path)
        parser.add_argument("--by", default="command:import", help="who imports it")

    def handle(self, *_args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                received = import_list(
                    options["meeting"],
                    options["list"],
                    file,
                    file_name=path.name,
                    by=options["by"],
                    now=timezone.now(),
                )
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except Meeting.DoesNotExist:
            raise CommandError(f"There is no meeting {options['meeting']}.") from None
        except CannotAdvance as refusal:
            raise CommandError(str(refusal)) from None
        loaded, refused = received.rows_loaded, received.rows_refused
        lines = [
            f"read {received.rows_read:,} = loaded {loaded:,} + refused {refused:,} rows",
            *findings_table("errors", kept_findings(received.errors)),
            *findings_table("warnings", kept_findings(received.warnings)),
        ]
        self.stdout.write("\n".join(lines))
        if received.errors:
            sys.exit(1)
