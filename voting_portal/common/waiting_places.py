"""Places to wait for others (等待名额): how many threads of a process may wait for a carrier.

A carrier or a provider that does not answer holds whoever asks it for seconds. In a rush all
threads of a server would soon hang on it, and with them holders who need it no more: verified, with
a ballot filled in. So one thread of each process never hangs on others. Who finds no place waits
for one as long as answers come, and is told at once to come again when they do not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

PLACES = max(1, settings.WEB_THREADS - 1)
PATIENCE_SECONDS = 0.5  # an answer that takes longer is not waited for by those without a place
_changed = threading.Condition()
_since: list[float] = []  # when each who has a place began to wait


class NoPlace(Exception):
    """As many threads as may wait for others do, and no answer comes."""


@contextmanager
def place() -> Iterator[None]:
    """A place for the block, which asks somebody outside and waits for the answer; NoPlace."""
    with _changed:
        while len(_since) >= PLACES:
            left = min(_since) + PATIENCE_SECONDS - time.monotonic()
            if left <= 0:
                raise NoPlace
            _changed.wait(left)
        began = time.monotonic()
        _since.append(began)
    try:
        yield
    finally:
        with _changed:
            _since.remove(began)
            _changed.notify()
