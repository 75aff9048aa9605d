"""`./manage.py export_bundle MEETING --kind public|auditor OUT`: what a verifier checks."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.checkpoints import CannotShow
from ballots.opening import note_attempt
from meetings.models import Meeting


class Command(BaseCommand):
    help = "Write the bundle of a closed meeting, with which anyone can check the ballot log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("meeting", type=int)
        parser.add_argument("out", type=Path, help="the ZIP file to write")
        parser.add_argument("--kind", choices=[kind.value for kind in BundleKind], required=True)
        parser.add_argument("--by", default="system:command", help="who asks for it")

    def handle(self, *, meeting: int, out: Path, **options: Any) -> None:
        if not Meeting.objects.filter(pk=meeting).exists():
            raise CommandError(f"There is no meeting {meeting}.")
        part = out.with_name(f"{out.name}.part")
        try:
            with part.open("wb") as file:
                write_bundle(meeting, BundleKind(options["kind"]), file)
            part.rename(out)
        except CannotShow as refusal:
            note_attempt(meeting, by=options["by"], now=timezone.now(), what="bundle")
            raise CommandError(str(refusal)) from None
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"{out}: {out.stat().st_size:,} bytes")
