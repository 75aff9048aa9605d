"""Print a sign-in link for one of the staff. No account exists by default; this makes the first."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity import staff
from identity.models import User
from voting_portal.common.roles import Role


class Command(BaseCommand):
    help = "Print a link that signs the user in once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--create",
            metavar="ROLES",
            help="make the user first, with these roles: " + ",".join(Role.values).lower(),
        )
        parser.add_argument("--issuer", default="", help="security code of a secretary's company")
        parser.add_argument("--hours", type=int, default=1, help="how long the link works")

    def handle(self, *, username: str, **options: Any) -> None:
        if options["create"]:
            try:
                roles = {Role(role) for role in options["create"].upper().split(",")}
            except ValueError as error:
                known = ", ".join(Role.values).lower()
                raise CommandError(f"{error}; known are {known}.") from None
            try:
                user = staff.enrol(
                    username, roles=roles, issuer_code=options["issuer"], now=timezone.now()
                )
            except staff.CannotEnrol as refusal:
                raise CommandError(str(refusal)) from None
        else:
            found = User.objects.filter(username=username, is_active=True).first()
            if found is None:
                raise CommandError(
                    f"There is no active user {username!r}; --create ROLES makes one."
                )
            user = found
        lifetime = timedelta(hours=options["hours"])
        self.stdout.write(staff.issue_pass(user, lifetime=lifetime, now=timezone.now()))
