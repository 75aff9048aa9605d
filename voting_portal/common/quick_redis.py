"""Redis as a page asks it: quickly, or not at all.

What a page gets from Redis only spares work, so a page never waits for a Redis that is gone: after
a failure nobody in this process asks again for REST_SECONDS.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from django.conf import settings

TIMEOUT_SECONDS = 0.25
REST_SECONDS = 5.0

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class _Rest:
    until = float("-inf")  # seconds of the monotonic clock


def ask(wanted: Callable[[redis.Redis], Answer]) -> Answer | None:
    """The answer; None while Redis is gone, so nothing may be wanted that can be None."""
    if time.monotonic() < _Rest.until:
        return None
    try:
        return wanted(_client(settings.REDIS_URL))
    except (redis.RedisError, OSError):
        _Rest.until = time.monotonic() + REST_SECONDS
        log.warning("redis is down: pages go on without it")
        return None


def forget() -> None:
    """Ask again at the next question."""
    _Rest.until = float("-inf")


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
