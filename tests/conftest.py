"""Fixtures that every test may use; objects come from tests/factories.py."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import post_migrate  # noqa: TID251 - only a flush needs it
from django.utils import translation

from meetings import keys, live, log_keys
from meetings.register import profiles
from voting_portal import embedded
from voting_portal.common import fragments, partitions, quick_redis


def pytest_configure() -> None:
    """Have servers; of several processes that test side by side, each has a Redis of its own.

    Meetings of tests keep their wrapping keys, and what is archived of them, apart.
    """
    folder = tempfile.mkdtemp(prefix="portal-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("MEETING_KEYS_DIR", "ARCHIVE_DIR"):
        os.environ[name] = f"{folder}/{name.lower()}"  # for processes that a test starts
        setattr(settings, name, os.environ[name])
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        embedded.start_what_is_missing()
        return
    place = 2 + int(worker.removeprefix("gw"))  # 0 is the checkout's own, 1 the smoke test's
    settings.REDIS_URL = f"{settings.REDIS_URL.partition('?')[0]}?db={place}"
    settings.CACHES["default"]["LOCATION"] = settings.REDIS_URL
    settings.CELERY_BROKER_URL = settings.REDIS_URL.replace("unix://", "redis+socket://").replace(
        "?db=", "?virtual_host="
    )


@pytest.fixture(autouse=True)
def _without_second_factor(settings) -> None:
    """Staff sign in at once; tests/identity/test_second_factor.py asks for the digits."""
    settings.STAFF_SECOND_FACTOR = False


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """A test starts like a fresh process: no meeting known, no limit used up."""
    live.forget()
    profiles.forget()
    keys.forget()
    log_keys.forget()
    cache.clear()
    fragments.forget()
    quick_redis.forget()
    translation.deactivate()  # a page that was asked for in English leaves its language behind
    yield
    live.forget()
    profiles.forget()
    keys.forget()
    log_keys.forget()


def _ship_data(**_signal: object) -> None:
    """Put back what migrations brought: a flush after a test that commits takes it away."""
    for migration in ("0003_profiles", "0004_calendar"):
        import_module(f"meetings.migrations.{migration}").ship(apps, None)


post_migrate.connect(_ship_data, sender=apps.get_app_config("meetings"))


@pytest.fixture(autouse=True)
def _empty_books(request: pytest.FixtureRequest, django_db_blocker) -> Iterator[None]:
    """After a test that commits, Django empties its own tables; what a meeting brought is dropped.

    That is its partitions, and tables of a register whose load was killed.
    """
    yield
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")):
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema::regnamespace"
            " AND relname ~ %s",
            [f"^({'|'.join(partitions.RANGES)})_m[0-9]+"],
        )
        ((tables,),) = cursor.fetchall()
        if tables:
            cursor.execute(f"DROP TABLE {tables}")
