"""How often something may go wrong before the portal says "later" (频率限制).

Failures are counted, visits are not: thousands of holders may share one carrier's address. Counters
live in Redis and nothing but counters does. When Redis is down a limit that guards the vote itself
goes on by this process's own count; one that costs money or guards staff refuses.

What is counted is watched as well, all addresses together (sums.py): when a minute's sum reaches
`alarm_at`, one line at ERROR says `alarm NAME` (docs/security.md). It refuses nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from identity import sums
from voting_portal.common.counters import LIMITS_HIT
from voting_portal.common.http import client_address
from voting_portal.common.security_notes import Note, note

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limit:
    name: str
    count: int
    seconds: int
    # Where it is counted: links are judged without a network call, so by each process for itself.
    is_shared: bool
    is_open_without_redis: bool
    alarm_at: int = 0  # in a minute from all addresses; 0: never

    @property
    def batch(self) -> int:
        """How many are gathered before they are added to the sum of all processes."""
        return 1 if self.is_shared else max(1, self.alarm_at // 2)


INVALID_LINKS = Limit(
    "invalid-link", 60, 60, is_shared=False, is_open_without_redis=True, alarm_at=600
)
LOG_FAILURES = Limit(
    "log-failure", 30, 60, is_shared=False, is_open_without_redis=True, alarm_at=600
)
CODE_FAILURES = Limit(
    "code-failure", 30, 3600, is_shared=True, is_open_without_redis=True, alarm_at=3_000
)
# 22 bits prove a vote code, where 88 prove a link: far fewer guesses, counted for all processes.
VOTE_CODE_FAILURES = Limit(
    "vote-code", 10, 900, is_shared=True, is_open_without_redis=True, alarm_at=100
)
# Not a limit on holders (3 codes in 10 minutes a phone is), but on what one address can spend.
# The alarm is the rate of votes that an installation is sized for.
CODES_SENT = Limit(
    "code-sent", 1000, 3600, is_shared=True, is_open_without_redis=False, alarm_at=60_000
)
PROVIDERS_ASKED = Limit(
    "provider-asked", 1000, 3600, is_shared=True, is_open_without_redis=True, alarm_at=60_000
)
PROVIDER_FAILURES = Limit(
    "provider-failure", 30, 3600, is_shared=True, is_open_without_redis=True, alarm_at=300
)
STAFF_FAILURES = Limit(
    "staff-failure", 10, 900, is_shared=True, is_open_without_redis=False, alarm_at=30
)
# Messages that an operator sends to a phone of the exchange to see how they arrive.
TRIALS = Limit("trial", 10, 3600, is_shared=True, is_open_without_redis=False)
# Searches of an auditor for a holder's registered data (unmasking.py), found or not.
UNMASKED = Limit("unmasked", 10, 3600, is_shared=True, is_open_without_redis=False)


class TooMany(Exception):
    """The limit is used up for now; `message` says so and `wait` for how many seconds."""

    message = _("尝试次数过多，请稍后再试。")
    status = 429

    def __init__(self, wait: int) -> None:
        super().__init__()
        self.wait = wait


class LimitsDown(TooMany):
    """Nothing can be counted now, and this is not done uncounted."""

    message = _("系统繁忙，暂时无法办理，请稍后再试。")
    status = 503


def check(limit: Limit, request: HttpRequest, *, subject: str = "") -> None:
    """Raise TooMany when the client's address (or `subject`) has used up the limit."""
    _judge(limit, request, subject, increment=False)


def count(limit: Limit, request: HttpRequest, *, subject: str = "") -> int:
    """Count one and return how many there are; raise TooMany when it is one too many.

    What is counted by subject as well as by address is watched once, by address. When the limit is
    used up by this one, a line of the security record says so; what comes then writes none.
    """
    if limit.alarm_at and not subject:
        _watch(limit)
    return _judge(limit, request, subject, increment=True)


def _judge(limit: Limit, request: HttpRequest, subject: str, *, increment: bool) -> int:
    key = subject or client_address(request)
    used, wait = _usage(limit, request, key, increment=increment)
    if increment and used == limit.count:
        counted_by = "subject" if subject else "address"
        note(Note.LIMIT_REACHED, request, limit=limit.name, counted_by=counted_by)
    if used > limit.count or (not increment and used >= limit.count):
        LIMITS_HIT.labels(limit.name).inc()
        raise TooMany(wait)
    return used


def _watch(limit: Limit) -> None:
    """Count for all addresses. Adding is atomic, so one of all processes says the alarm."""
    before, after = sums.add(limit.name, batch=limit.batch)
    if before < limit.alarm_at <= after:
        log.error("alarm %s: %s within a minute", limit.name, after)


def _usage(limit: Limit, request: HttpRequest, key: str, *, increment: bool) -> tuple[int, int]:
    if not limit.is_shared:
        return _in_process.usage(limit, key, increment=increment)
    try:
        usage: dict[str, Any] | None = get_usage(
            request,
            group=limit.name,
            key=lambda _group, _request: key,
            rate=(limit.count, limit.seconds),
            increment=increment,
        )
    except (RedisError, OSError):
        log.warning("redis is down: limit %s", limit.name)
        if not limit.is_open_without_redis:
            raise LimitsDown(wait=60) from None
        return _in_process.usage(limit, key, increment=increment)
    if usage is None:
        return 0, 0
    return usage["count"], max(usage["time_left"], 1)


class _InProcess:
    """Counters of this process: one window at a time, and never more than a bounded number."""

    MOST = 100_000

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.windows: dict[str, tuple[int, dict[str, int]]] = {}

    def usage(self, limit: Limit, key: str, *, increment: bool) -> tuple[int, int]:
        window, passed = divmod(int(time.monotonic()), limit.seconds)
        with self.lock:
            known, counts = self.windows.get(limit.name, (window, {}))
            if known != window or len(counts) > self.MOST:
                counts = {}
            self.windows[limit.name] = window, counts
            if increment:
                counts[key] = counts.get(key, 0) + 1
            return counts.get(key, 0), limit.seconds - passed


_in_process = _InProcess()


def forget() -> None:
    """Begin this process's own counts anew."""
    _in_process.windows.clear()
    sums.forget()
