"""`./manage.py purge_meeting MEETING --ask`: the way to the end of a meeting's personal data."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meetings.keys import KeyDestroyed
from meetings.models import Meeting
from retention import asking, purging
from retention.archive import BadArchive
from retention.models import Purge


class Command(BaseCommand):
    help = "Ask for, approve, put off or carry out the deletion of a meeting's personal data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--by", default="", help="who does it, e.g. operator:3")
        act = parser.add_mutually_exclusive_group(required=True)
        act.add_argument("--ask", action="store_true", help="before the period is over")
        act.add_argument("--approve", action="store_true", help="by another person")
        act.add_argument("--hold", metavar="REASON", help="put the deletion off")
        act.add_argument("--lift", action="store_true", help="end the hold, by another person")
        act.add_argument("--run", action="store_true", help="carry out what was approved or is due")

    def handle(self, *, meeting: int, by: str, **options: Any) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        if not by and not options["run"]:
            raise CommandError("Say who does it: --by operator:3")
        try:
            self._act(meeting, by, **options)
        except (asking.CannotPurge, BadArchive, KeyDestroyed, purging.CannotGoOn) as refusal:
            raise CommandError(str(refusal)) from None

    def _act(self, meeting: int, by: str, **options: Any) -> None:
        now = timezone.now()
        if options["ask"]:
            asking.ask_early(meeting, by=by, now=now)
            self.stdout.write("Asked; another person must approve.")
        elif options["approve"]:
            asking.approve(meeting, by=by, now=now)
            self.stdout.write("Approved; the timer carries it out, or --run now.")
        elif options["hold"] is not None:
            asking.place_hold(meeting, reason=options["hold"], by=by, now=now)
            self.stdout.write("Nothing of this meeting is destroyed until the hold is lifted.")
        elif options["lift"]:
            asking.lift_hold(meeting, by=by, now=now)
            self.stdout.write("Lifted.")
        else:
            asking.ask_due(now=now)
            if not Purge.objects.filter(meeting=meeting).exists():
                raise asking.NotAsked
            if not purging.carry_out(meeting, clock=timezone.now):
                raise CommandError("Another process is at it.")
            self.stdout.write(Purge.objects.get(meeting=meeting).report)
