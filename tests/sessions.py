"""Waiting until PostgreSQL has noticed that a process is dead: until then its locks are held."""

from __future__ import annotations

import time

from django.db import connection

OTHERS = (
    "SELECT application_name, state, wait_event, query FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def wait_until_alone(*, seconds: float = 60) -> None:
    """Wait until this database has no session but ours; AssertionError says which one stays."""
    deadline = time.monotonic() + seconds
    while True:
        with connection.cursor() as cursor:
            cursor.execute(OTHERS)
            others = cursor.fetchall()
        if not others:
            return
        assert time.monotonic() < deadline, f"still there: {others}"
        time.sleep(0.02)
