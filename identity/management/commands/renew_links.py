"""Renew the key of a meeting's links, or end the links of the older keys."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity import reissuing
from meetings.models import Meeting


class Command(BaseCommand):
    help = "Sign a meeting's links with a new key; with --end-old, end all links of older keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--by", required=True, help="who does it, e.g. operator:3")
        parser.add_argument("--end-old", action="store_true", help="by another person than renewed")

    def handle(self, *, meeting: int, by: str, end_old: bool, **_options: object) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        now = timezone.now()
        try:
            if end_old:
                ended = reissuing.end_old_links(meeting, by=by, now=now)
                self.stdout.write(f"Destroyed {ended} old keys: their links are nobody's.")
            else:
                key_id = reissuing.renew_links(meeting, by=by, now=now)
                self.stdout.write(f"New links are signed with key {key_id}; old ones still hold.")
        except reissuing.CannotReissue as refusal:
            raise CommandError(str(refusal)) from None
