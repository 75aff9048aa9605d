"""`./manage.py accept_lost_entries MEETING`: let a log go on after its database went back."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.log import heads


class Command(BaseCommand):
    help = "With --reason: say that lost entries of a log cannot be recovered. Without: accept it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--by", required=True, help="who does it, e.g. operator:3")
        parser.add_argument("--reason", default="", help="why they are lost; another must accept")

    def handle(self, *, meeting: int, by: str, reason: str, **_options: object) -> None:
        now = timezone.now()
        try:
            if reason:
                heads.ask_to_resume(meeting, reason=reason, by=by, now=now)
                self.stdout.write("Noted; another person must accept it.")
            else:
                kept = heads.resume(meeting, by=by, now=now)
                self.stdout.write(f"The log goes on. The lost head is kept as {kept}.")
        except heads.CannotResume as refusal:
            raise CommandError(str(refusal)) from None
