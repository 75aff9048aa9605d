"""`./manage.py timestamp_checkpoint MEETING OUT`: a query for a time stamp of the log."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ballots.log.checkpoints import CannotShow, last_checkpoint, timestamp_query


class Command(BaseCommand):
    help = "Write the RFC 3161 query of the newest checkpoint of a closed meeting."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("out", type=Path, help="the query (DER); the note goes to OUT.note")

    def handle(self, *, meeting: int, out: Path, **_options: Any) -> None:
        try:
            checkpoint = last_checkpoint(meeting)
        except CannotShow as refusal:
            raise CommandError(str(refusal)) from None
        out.write_bytes(timestamp_query(checkpoint))
        out.with_name(f"{out.name}.note").write_text(checkpoint.note)
        self.stdout.write(f"{out}: {checkpoint.digest.hex()}")
