"""End the links of one holder; the next message carries a new one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity import reissuing
from meetings.models import Meeting


class Command(BaseCommand):
    help = (
        "End the links, codes and sessions of the holder whose account stands on standard input: "
        "on the command line it would stay in the shell's history and in the list of processes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("--by", required=True, help="who does it, e.g. operator:3")

    def handle(self, *, meeting: int, by: str, **_options: object) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        account = sys.stdin.readline().strip()
        try:
            holder = reissuing.reissue_link(meeting, account=account, by=by, now=timezone.now())
        except reissuing.CannotReissue as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"The links of {holder.name_masked} are ended.")
