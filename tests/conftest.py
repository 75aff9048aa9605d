"""Fixtures that every test may use; objects come from tests/factories.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection

from meetings import live
from voting_portal.common import partitions


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """A test starts like a fresh process: no meeting known, no limit used up."""
    live.forget()
    cache.clear()
    yield
    live.forget()


@pytest.fixture(autouse=True)
def _empty_books(request: pytest.FixtureRequest, django_db_blocker) -> Iterator[None]:
    """After a test that commits, Django empties its own tables; these are made by hand."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if marker and marker.kwargs.get("transaction"):
        tables = ", ".join(partitions.RANGES)
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {tables}")
