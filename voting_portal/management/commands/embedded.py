"""`./manage.py embedded start|stop|status`: PostgreSQL and Redis of a checkout."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from voting_portal import embedded


class Command(BaseCommand):
    help = "Start, stop or show the PostgreSQL and Redis that come from Python wheels."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *, action: str, **_options: Any) -> None:
        try:
            if action == "start":
                embedded.start_what_is_missing()
            elif action == "stop":
                for name in embedded.stop():
                    self.stdout.write(f"Stopped {name}.")
        except embedded.CannotStart as refusal:
            raise CommandError(str(refusal)) from None
        for name, is_running in embedded.status().items():
            self.stdout.write(f"{name}: {'running' if is_running else 'stopped'}")
