"""Staff's lists from a copy of the database (只读副本), so that they take nothing from the vote.

A list of the admin, looked at and nothing else, is read from the replica that DATABASE_REPLICA_URL
names. It is as new as the moment at which it was asked for: the primary says how far it has
written, and the replica serves once it has replayed that much. So whoever has just saved something
finds it there, and nobody sees yesterday's list. When the replica takes longer than
PATIENCE_SECONDS, or is gone, the primary serves as if there were none.

Nothing is ever decided from the replica: no form, no action, no permission, no page of a holder.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import Error, connections, models
from django.http import HttpRequest, HttpResponseBase

REPLICA = "replica"
PATIENCE_SECONDS = 0.25
REST_SECONDS = 5.0  # for which a replica that was behind or gone is left alone
# Whose rows lists show. Users, sessions and permissions are decisions.
APPS_OF_LISTS = {"meetings", "ballots", "notifications"}

log = logging.getLogger(__name__)
_is_list: contextvars.ContextVar[bool] = contextvars.ContextVar("is_list", default=False)


class _Rest:
    until = float("-inf")  # seconds of the monotonic clock


class ListRouter:
    """Reads of lists go to the replica, everything else to the primary."""

    def db_for_read(self, model: type[models.Model], **_hints: Any) -> str | None:
        if _is_list.get() and model._meta.app_label in APPS_OF_LISTS:
            return REPLICA
        return None

    def db_for_write(self, _model: type[models.Model], **_hints: Any) -> str:
        return "default"

    def allow_relation(self, _one: models.Model, _other: models.Model, **_hints: Any) -> bool:
        return True  # two names of one database

    def allow_migrate(self, db: str, _app: str, **_hints: Any) -> bool:
        return db != REPLICA


class ListMiddleware:
    """Mark requests that only look at a list, until their answer is drawn."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _is_list.set(False)
        try:
            return self.get_response(request)
        finally:
            _is_list.reset(token)

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        match = request.resolver_match
        is_list = (
            request.method in {"GET", "HEAD"}
            and match is not None
            and match.app_name == "admin"
            and (match.url_name or "").endswith("_changelist")
        )
        if is_list and REPLICA in connections.databases and _is_fit():
            _is_list.set(True)


def _is_fit() -> bool:
    """Whether the replica has caught up with this moment, or does so in PATIENCE_SECONDS."""
    if time.monotonic() < _Rest.until:
        return False
    written = _written()
    why = "behind"
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            # A replica that was promoted replays nothing, and is a database of its own.
            if _ask_the_replica("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written):
                return True
            time.sleep(0.01)
    except Error:
        why = "gone"
    _Rest.until = time.monotonic() + REST_SECONDS
    log.warning("the replica is %s: lists are read from the primary", why)
    return False


def seconds_behind() -> float | None:
    """How old the replica is, which there must be: 0 when it has replayed all that is written.

    None when it does not answer, or follows the primary no more. It is asked over a connection of
    the moment: opening one has a time limit (settings.py), an answer over one that stands has none.
    """
    connections[REPLICA].close()
    written = _written()
    try:
        age = _ask_the_replica(
            """
            SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
                        WHEN pg_last_wal_replay_lsn() >= %s::pg_lsn THEN 0
                        ELSE EXTRACT(epoch FROM clock_timestamp() - COALESCE(
                            pg_last_xact_replay_timestamp(), pg_postmaster_start_time())) END
            """,
            written,
        )
    except Error:
        return None
    finally:
        connections[REPLICA].close()
    return None if age is None else float(age)


def _written() -> str:
    """How far the primary has written."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
        ((written,),) = cursor.fetchall()
    return str(written)


def _ask_the_replica(sql: str, written: str) -> Any:
    """The one value that it answers; django.db.Error when it does not, and a new try next time."""
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(sql, [written])
            ((value,),) = cursor.fetchall()
    except Error:
        with contextlib.suppress(Error):
            connections[REPLICA].close()
        raise
    return value


def forget() -> None:
    """Ask the replica again at the next list."""
    _Rest.until = float("-inf")
