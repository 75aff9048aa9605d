"""The pace that a carrier has agreed to, shared by all workers through Redis.

One number a gateway: the time until which its line is taken. Whoever comes later than that may
send and moves it on by what the segments cost; everybody else waits. The clock is Redis's, so the
workers' own clocks do not matter. Without Redis nobody sends.
"""

from __future__ import annotations

import functools
import logging
import time

import redis
from django.conf import settings

LONGEST_NAP_SECONDS = 1.0

# KEYS[1] taken until, microseconds; ARGV[1] microseconds that the segments cost.
# A taker who comes up to 100 ms late may catch up, so that naps do not slow the line down.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local taken = tonumber(redis.call('GET', KEYS[1]) or '0')
if taken > now then return taken - now end
local till = math.max(taken, now - 100000) + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX',
    60000 + math.ceil(tonumber(ARGV[1]) / 1000))
return 0
"""
# ARGV[1] microseconds for which the line stays closed; never shorter than it was.
_HOLD = """
local time = redis.call('TIME')
local till = time[1] * 1000000 + time[2] + tonumber(ARGV[1])
if till > tonumber(redis.call('GET', KEYS[1]) or '0') then
    redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX',
    60000 + math.ceil(tonumber(ARGV[1]) / 1000))
end
return 0
"""
_REST = """
local time = redis.call('TIME')
return math.max(0, tonumber(redis.call('GET', KEYS[1]) or '0') - time[1] * 1000000 - time[2])
"""

logger = logging.getLogger(__name__)


class PaceUnknown(Exception):
    """Redis gives no answer, so nobody knows how fast the others send."""


def wait_for_turn(gateway: str, *, segments: int, rate: float, patience: float) -> bool:
    """Wait until so many segments may be sent; False when that takes longer than `patience`.

    `rate` is in segments a second, `patience` in seconds. Raises PaceUnknown without Redis.
    """
    deadline = time.monotonic() + patience
    while (wait := _run(_TAKE, gateway, seconds=segments / rate)) > 0:
        if time.monotonic() + wait > deadline:
            return False
        time.sleep(min(wait, LONGEST_NAP_SECONDS))
    return True


def hold_back(gateway: str, *, seconds: float) -> None:
    """Keep the line closed for everybody, because the carrier said so or does not answer."""
    _run(_HOLD, gateway, seconds=seconds)


def rest_of(gateway: str) -> float:
    """Seconds for which the line stays closed, 0 when it is open. Raises PaceUnknown."""
    return _run(_REST, gateway, seconds=0)


@functools.cache
def redis_client(url: str) -> redis.Redis:
    """One client a process and server; a second is the longest it takes to find the server gone."""
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def _run(script: str, gateway: str, *, seconds: float) -> float:
    """Run a script on the gateway's line; seconds that it says to wait."""
    client = redis_client(settings.REDIS_URL)
    try:
        answer = client.eval(script, 1, f"pace:{gateway}", int(seconds * 1_000_000))
    except redis.RedisError as error:
        logger.warning("no pace for %s: %s", gateway, type(error).__name__)
        raise PaceUnknown(gateway) from None
    return int(answer) / 1_000_000
