"""`./manage.py tally MEETING --format json|csv|xlsx|docx|pdf`: the result of a closed meeting."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.announcement_files import FORMS
from ballots.effective import NotClosed
from ballots.models import Tally
from ballots.opening import ask_for_tally, note_attempt, open_tally
from meetings.agenda import read_agenda
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting


class Command(BaseCommand):
    help = "Count a meeting's ballots if that is not done yet, and print the result."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--format", choices=sorted(FORMS), default="json")
        parser.add_argument("--by", default="command:operator", help="who asks for the tally")
        parser.add_argument(
            "--with", default="command:scrutineer", dest="scrutineer", help="who opens it"
        )
        parser.add_argument("--out", type=Path, help="a file; standard output where it is left out")

    def handle(self, *, meeting: int, out: Path | None, **options: Any) -> None:
        subject = Meeting.objects.filter(pk=meeting).first()
        if subject is None:
            raise CommandError(f"There is no meeting {meeting}.")
        tally = Tally.objects.newest_of(meeting)
        if tally is None or subject.state == Meeting.State.CLOSED:
            tally = self._count(meeting, by=options["by"], scrutineer=options["scrutineer"])
        document = FORMS[options["format"]].write(read_agenda(meeting), tally)
        if out:
            out.write_bytes(document)
        else:
            sys.stdout.buffer.write(document)

    def _count(self, meeting: int, *, by: str, scrutineer: str) -> Tally:
        now = timezone.now()
        try:
            ask_for_tally(meeting, by=by, now=now)
            return open_tally(meeting, by=scrutineer, now=now)
        except NotClosed as refusal:
            note_attempt(meeting, by=by, now=now, what="tally")
            raise CommandError(str(refusal)) from None
        except CannotAdvance as refusal:
            raise CommandError(str(refusal)) from None
