"""`./manage.py rotate_log_key [--retire NUMBER]`: a new key signs the ballot logs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.log import handing_over
from ballots.log.keys import note_key
from meetings.keys import KeyDestroyed


class Command(BaseCommand):
    help = (
        "Make a new key that signs the ballot logs, while votes come in. With --retire, bring every"
        " log to the newest key and destroy the private half of an old one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retire", type=int, metavar="NUMBER", help="destroy an old key")
        parser.add_argument("--by", required=True, help="who does it, e.g. operator:3")

    def handle(self, *, retire: int | None, by: str, **_options: Any) -> None:
        now = timezone.now()
        try:
            if retire is None:
                key = handing_over.change_log_key(by=by, now=now)
                self.stdout.write(f"Key {key.number} signs from now on. Publish its public half:")
                self.stdout.write(note_key(key).vkey)
            else:
                logs = handing_over.retire_log_key(retire, by=by, now=now)
                self.stdout.write(f"{logs} logs went over; key {retire} is destroyed.")
        except KeyDestroyed:
            raise CommandError("There is no key yet: the first meeting brings it.") from None
        except handing_over.CannotChangeKey as refusal:
            raise CommandError(str(refusal)) from None
