"""`manage.py migrate`, safe under traffic: it waits for locks shortly, steps aside and tries again.

A change of a table needs it for itself for a moment. While it waits for that, everybody who comes
later waits behind it, votes included. So it gives up after LOCK_SECONDS and lets them through; what
was finished before stays finished. Two that run at once take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg import errors

from voting_portal.common import locks

LOCK_SECONDS = 2
PAUSE_SECONDS = 3.0
TRIES = 40  # some three minutes; then a person should look who holds the table


class Command(migrate.Command):
    help = migrate.Command.help

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--tries", type=int, default=TRIES, help=f"times to ask for a lock (default {TRIES})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tries = options.pop("tries", TRIES)
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")  # the other migration may take its time
            cursor.execute("SELECT pg_advisory_lock(%s, 0)", [locks.MIGRATION])
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
        try:
            self._retrying(lambda: super(Command, self).handle(*args, **options), tries=tries)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [locks.MIGRATION])
                cursor.execute("SET lock_timeout = DEFAULT")

    def _retrying(self, step: Callable[[], object], *, tries: int) -> None:
        for number in range(1, tries + 1):
            try:
                step()
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, errors.LockNotAvailable):
                    raise
                self.stderr.write(f"A table is in use; try {number} of {tries} gave up.")
            if number < tries:
                time.sleep(PAUSE_SECONDS)
        raise CommandError(
            f"No lock in {tries} tries: somebody holds a table for long (pg_stat_activity, "
            "xact_start). What was migrated before stays; run it again."
        )
