"""Print a sign-in link for one of the staff. No account exists by default; this makes the first."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity import staff
from identity.models import User


class Command(BaseCommand):
    help = "Print a link that signs the user in once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--create", choices=["operator", "secretary"], help="make the user first"
        )
        parser.add_argument("--issuer", default="", help="security code of a secretary's company")
        parser.add_argument("--hours", type=int, default=1, help="how long the link works")

    def handle(self, *, username: str, **options: Any) -> None:
        if options["create"]:
            role = User.Role(options["create"].upper())
            try:
                user = staff.enrol(username, role=role, issuer_code=options["issuer"])
            except staff.CannotEnrol as refusal:
                raise CommandError(str(refusal)) from None
        else:
            found = User.objects.filter(username=username, is_active=True).first()
            if found is None:
                raise CommandError(
                    f"There is no active user {username!r}; --create operator|secretary makes one."
                )
            user = found
        lifetime = timedelta(hours=options["hours"])
        self.stdout.write(staff.issue_pass(user, lifetime=lifetime, now=timezone.now()))
