"""Places to wait for others (等待名额): how many threads of a process may wait for a carrier.

A carrier or a provider that does not answer holds whoever asks it for seconds. In a rush all
threads of a server would soon hang on it, and with them holders who need it no more: verified, with
a ballot filled in. So one thread of each process never waits for others; who finds no place is told
at once to come again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

_places = threading.BoundedSemaphore(max(1, settings.WEB_THREADS - 1))


class NoPlace(Exception):
    """As many threads as may wait for others do."""


@contextmanager
def place() -> Iterator[None]:
    """A place for the block, which asks somebody outside and waits for the answer; NoPlace."""
    if not _places.acquire(blocking=False):
        raise NoPlace
    try:
        yield
    finally:
        _places.release()
