"""Whether this server lives, and whether it is ready to take votes: for probes, not for people."""

from __future__ import annotations

import functools

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import Error, ProgrammingError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from ballots.log import sequencer
from meetings import polls

MOST_SECONDS_OFF = 30.0  # between this server's clock and the database's


@login_not_required
@never_cache
@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    """This process answers; restarting it would not help whatever else is wrong."""
    return HttpResponse("live\n", content_type="text/plain; charset=utf-8")


@login_not_required
@never_cache
@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """503 until the database answers within a second, has this version's tables and the same time.

    The database's clock decides about votes; a server whose own is off would show holders closed
    polls, or none of their sessions. Redis and the ballot log are reported and decide nothing:
    without them voting goes on.
    """
    database, redis = _database(), _redis()
    log, clock = _log(database), _clock(database)
    report = {"database": database, "redis": redis, "log": log, "clock": clock}
    return JsonResponse(report, status=200 if database == clock == "ok" else 503)


def _database() -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1s'")
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
    except ProgrammingError:  # a database without any table of ours
        return "migrations missing"
    except Error:
        return "no answer"
    return "ok" if _last_migrations() <= applied else "migrations missing"


def _redis() -> str:
    try:
        cache.get("ready")
    except RedisError:
        return "no answer"
    return "ok"


def _log(database: str) -> str:
    """Whether every promise to a holder is kept: `behind` when one is older than it says."""
    if database != "ok":
        return "unknown"
    try:
        return "ok" if sequencer.seconds_behind() <= sequencer.PROMISED_SECONDS else "behind"
    except Error:
        return "unknown"


def _clock(database: str) -> str:
    """How far this server's clock is from the one that decides."""
    if database != "ok":
        return "unknown"
    try:
        off = (timezone.now() - polls.database_time()).total_seconds()
    except Error:
        return "unknown"
    return "ok" if abs(off) <= MOST_SECONDS_OFF else f"off by {off:+.0f} s"


@functools.cache
def _last_migrations() -> frozenset[tuple[str, str]]:
    """The newest migration of each app that this version of the code brings."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
