"""`./manage.py recount MEETING`: count again and compare with the result that is kept."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.effective import NotClosed
from ballots.models import Tally
from ballots.opening import LISTED, note_attempt, recount
from meetings.models import Meeting


class Command(BaseCommand):
    help = "Recount (复核计票): the votes as they stand must give what was kept, to the last vote."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--by", default="command:operator", help="who recounts")

    def handle(self, *, meeting: int, by: str, **_options: Any) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        try:
            found = json.loads(json.dumps(recount(meeting, list_limit=LISTED)))
        except NotClosed as refusal:
            note_attempt(meeting, by=by, now=timezone.now(), what="recount")
            raise CommandError(str(refusal)) from None
        tally = Tally.objects.newest_of(meeting)
        if tally is None:
            raise CommandError("Nothing is counted yet: two people open the tally first.")
        if found != tally.content:
            parts = [name for name in found if found[name] != tally.content.get(name)]
            raise CommandError(f"The recount differs in: {', '.join(parts)}.")
        self.stdout.write(f"The recount agrees with version {tally.version}.")
