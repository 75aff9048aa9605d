"""Whether this server lives, and whether it is ready to take votes: for probes, not for people."""

from __future__ import annotations

import functools

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import Error, ProgrammingError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from ballots.log import sequencer


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
    """503 until the database answers within a second and has this version's tables.

    Redis and the ballot log are reported and decide nothing: without them voting goes on.
    """
    database, redis = _database(), _redis()
    report = {"database": database, "redis": redis, "log": _log(database)}
    return JsonResponse(report, status=200 if database == "ok" else 503)


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


@functools.cache
def _last_migrations() -> frozenset[tuple[str, str]]:
    """The newest migration of each app that this version of the code brings."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
