"""Fixtures that every test may use; objects come from tests/factories.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from meetings import live


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """A test starts like a fresh process: no meeting known, no limit used up."""
    live.forget()
    cache.clear()
    yield
    live.forget()
