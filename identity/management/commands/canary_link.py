"""`./manage.py canary_link MEETING [NUMBER]`: a link sent to nobody, laid out for thieves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from identity.canaries import canary_url
from meetings.keys import KeyDestroyed


class Command(BaseCommand):
    help = "Print a canary link of a meeting; opening it is logged at CRITICAL."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("number", type=int, nargs="?", default=1, help="from 1 to 1000")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self.stdout.write(canary_url(options["meeting"], options["number"]))
        except KeyDestroyed:
            raise CommandError(f"Meeting {options['meeting']} has no keys (any more).") from None
        except ValueError as error:
            raise CommandError(f"No link: {error}.") from None
