"""Access tokens that all workers of a gateway share through Redis (5G messages).

A carrier's new token ends the old one and it gives out 2,000 a day, so one worker fetches and the
others wait for it. Without Redis nobody has a token and nobody sends.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import redis
from django.conf import settings

from voting_portal.gateways import pacing

SPARE_SECONDS = 300  # before its end a token is not used any more
FETCH_SECONDS = 10  # the longest that one worker may take to fetch
PATIENCE_SECONDS = 5.0

_FORGET = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class NoToken(Exception):
    """There is none now; the message says why in a carrier's code or a word."""


def current(gateway: str, fetch: Callable[[], tuple[str, int]]) -> str:
    """The gateway's token; `fetch` returns a new one and its life in seconds, or raises NoToken."""
    key, lock = f"token:{gateway}", f"token-fetch:{gateway}"
    client = pacing.redis_client(settings.REDIS_URL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not (token := _text(client.get(key))):
            mine = secrets.token_hex(8)
            if client.set(lock, mine, nx=True, ex=FETCH_SECONDS):
                try:
                    # Whoever had the lock before may have fetched since this worker looked.
                    if not (token := _text(client.get(key))):
                        token, life = fetch()
                        client.set(key, token, ex=max(1, life - SPARE_SECONDS))
                finally:
                    client.eval(_FORGET, 1, lock, mine)
                return token
            if time.monotonic() > deadline:
                raise NoToken("another worker fetches")
            time.sleep(0.05)
    except redis.RedisError as error:
        raise NoToken(type(error).__name__) from None
    return token


def _text(answer: object) -> str:
    return answer.decode() if isinstance(answer, bytes) else ""


def forget(gateway: str, token: str) -> None:
    """This token was refused; a newer one, which another worker may have fetched, stays."""
    try:
        pacing.redis_client(settings.REDIS_URL).eval(_FORGET, 1, f"token:{gateway}", token)
    except redis.RedisError as error:
        raise NoToken(type(error).__name__) from None
