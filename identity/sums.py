"""How often something went wrong within a minute, over all addresses and all processes (全网计数).

The sums stand in Redis by name and minute. What each process counts for itself, because nothing
about it may cost a network call, is gathered and added in batches; without Redis a process goes on
by its own sum. Nobody is refused by them: they tell alarms and incidents that something is wrong.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime

from django.core.cache import cache
from redis.exceptions import RedisError

BATCH_SECONDS = 5
KEPT_SECONDS = 180
AWAY_SECONDS = 5  # so long a Redis that does not answer is not asked again


class _Process:
    """What this process has gathered, and its own sums of the minute for when Redis is away."""

    lock = threading.Lock()
    gathered: dict[str, tuple[int, float]] = {}
    own: dict[str, tuple[int, int]] = {}
    away_until = 0.0


def add(name: str, *, batch: int = 1) -> tuple[int, int]:
    """Count one; return the minute's sum before and after what was added, alike if nothing was.

    Up to `batch` are gathered before they are added, or what came within BATCH_SECONDS.
    """
    at = time.monotonic()
    with _Process.lock:
        number, since = _Process.gathered.get(name, (0, at))
        number += 1
        if number < batch and at - since < BATCH_SECONDS:
            _Process.gathered[name] = number, since
            return 0, 0
        _Process.gathered.pop(name, None)
    after = _everywhere(name, number) if at >= _Process.away_until else None
    if after is None:
        after = _here(name, number)
    return after - number, after


def highest(name: str, *, now: datetime) -> int:
    """The greater sum of this minute and the one before; RedisError when Redis is away."""
    minute = int(now.timestamp()) // 60
    found = cache.get_many([_key(name, minute), _key(name, minute - 1)])
    return max(found.values(), default=0)


def forget() -> None:
    """Begin this process's own sums anew."""
    _Process.gathered, _Process.own, _Process.away_until = {}, {}, 0.0


def _everywhere(name: str, number: int) -> int | None:
    key = _key(name, int(time.time()) // 60)
    try:
        cache.add(key, 0, KEPT_SECONDS)
        return int(cache.incr(key, number))
    except (RedisError, OSError, ValueError):  # ValueError: emptied in between
        _Process.away_until = time.monotonic() + AWAY_SECONDS
        return None


def _here(name: str, number: int) -> int:
    minute = int(time.time()) // 60
    with _Process.lock:
        known, before = _Process.own.get(name, (minute, 0))
        total = number + (before if known == minute else 0)
        _Process.own[name] = minute, total
    return total


def _key(name: str, minute: int) -> str:
    return f"sum-{name}-{minute}"
