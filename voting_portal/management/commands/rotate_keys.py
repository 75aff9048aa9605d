"""`./manage.py rotate_keys`: change the key-encryption key while everything runs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from meetings import keys, rewrapping
from notifications import receipts, suppressions

EVERYTHING = (*rewrapping.OF_MEETINGS, suppressions.WRAPPED, receipts.WRAPPED)


class Command(BaseCommand):
    help = (
        "Change the key-encryption key: --add a new one to the key store, --use it once every "
        "server has it, then without an option wrap every data key by it (to be repeated after an "
        "interruption), and an hour later --retire the old one. --all does the first three where "
        "one key store serves all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--add", action="store_true", help="a new key, not used yet")
        step.add_argument("--use", metavar="NAME", help="wrap by this key from now on")
        step.add_argument("--retire", metavar="NAME", help="take an old key out")
        step.add_argument("--all", action="store_true", help="add, use, and wrap by it")
        parser.add_argument("--by", required=True, help="who does it, e.g. operator:3")

    def handle(self, *, by: str, **options: Any) -> None:
        now = timezone.now()
        try:
            if options["retire"]:
                rewrapping.retire_key(options["retire"], everything=EVERYTHING, by=by, now=now)
                self.stdout.write(f"Key {options['retire']} is taken out of the key store.")
                return
            name = options["use"]
            if options["add"] or options["all"]:
                name = rewrapping.add_key(by=by, now=now)
                self.stdout.write(f"Key {name} is in the key store.")
            if options["use"] or options["all"]:
                rewrapping.use_key(name, by=by, now=now)
                self.stdout.write(f"Key {name} wraps from now on.")
            if options["all"] or not name:
                self._rewrap(by)
        except rewrapping.CannotRotate as refusal:
            raise CommandError(str(refusal)) from None

    def _rewrap(self, by: str) -> None:
        current = keys.keystore().current
        due = {wrapped: wrapped.count_not_by(current) for wrapped in EVERYTHING}
        done = dict.fromkeys(EVERYTHING, 0)
        for wrapped, some in rewrapping.rewrap(EVERYTHING, by=by, now=timezone.now()):
            done[wrapped] += some
            self.stdout.write(f"{wrapped}: {done[wrapped]:,} of {due[wrapped]:,}")
        self.stdout.write(f"Every data key is wrapped by key {current}.")
