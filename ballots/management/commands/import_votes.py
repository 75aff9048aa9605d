"""`./manage.py import_votes MEETING FILE --channel trading|internet|onsite`: a file of votes."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.importing import BadVoteFile, CannotImport, import_votes
from ballots.models import Channel
from meetings.models import Meeting

SHOWN_FAULTS = 50


class Command(BaseCommand):
    help = "Take in a file of votes of another channel, whole or not at all, after the close."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("file", type=Path)
        channels = [channel.lower() for channel in Channel.values]
        parser.add_argument("--channel", choices=channels, required=True)
        parser.add_argument("--by", default="system:command", help="who imports")

    def handle(self, *, meeting: int, file: Path, **options: Any) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        try:
            with file.open("rb") as content:
                made = import_votes(
                    meeting,
                    content,
                    file_name=file.name,
                    channel=Channel(options["channel"].upper()),
                    by=options["by"],
                    now=timezone.now(),
                )
        except CannotImport as refusal:
            if isinstance(refusal, BadVoteFile):
                for fault in refusal.faults.kept[:SHOWN_FAULTS]:
                    cells = (fault.row, fault.line, fault.column, fault.kind, fault.value)
                    words = ["-" if cell in (None, "") else str(cell) for cell in cells]
                    self.stderr.write("\t".join((*words, fault.reason)))
            raise CommandError(str(refusal)) from None
        facts = {
            "file": made.file_name,
            "sha256": made.sha256,
            "rows": made.rows_read,
            "votes": made.votes,
            "accepted": made.accepted,
            "flagged": made.flagged,
            "reasons": made.reasons,
        }
        self.stdout.write(json.dumps(facts, ensure_ascii=False))
