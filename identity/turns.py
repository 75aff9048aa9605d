"""Turns (排队): how many holders begin in a second, when more come than the portal is sized for.

Only the beginning waits: before a code is sent or a provider asked, when nothing has been filled in
yet. Whoever has begun is never made to wait again, so no ballot is late or lost for a queue.

A place in the queue is a moment: whoever comes is given the next one that is free, at
SIGN_INS_A_SECOND. It belongs to the holder, not to the browser: pressing again, reloading, closing
the page or opening the link on another phone finds the same place. All processes share it in Redis,
by Redis's clock. Without Redis nobody waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils.crypto import salted_hmac

from voting_portal.common import quick_redis
from voting_portal.common.counters import LIMITS_HIT

# How long a place stays the holder's after its moment: to come back, and for another code.
KEPT = timedelta(minutes=15)
# What nobody used in the last second may be used at once.
BURST_MICROSECONDS = 1_000_000

# KEYS[1] the holder's moment, KEYS[2] the last moment given, in microseconds; ARGV[1] microseconds
# between two moments, ARGV[2] those of the burst, ARGV[3] milliseconds that a place is kept.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local mine = tonumber(redis.call('GET', KEYS[1]) or '0')
if mine == 0 then
    local last = tonumber(redis.call('GET', KEYS[2]) or '0')
    mine = math.max(last, now - tonumber(ARGV[2])) + tonumber(ARGV[1])
    local ahead = math.max(0, math.ceil((mine - now) / 1000))
    redis.call('SET', KEYS[2], string.format('%.0f', mine), 'PX', ahead + 60000)
    redis.call('SET', KEYS[1], string.format('%.0f', mine), 'PX', ahead + tonumber(ARGV[3]))
end
return math.max(0, mine - now)
"""


@dataclass(frozen=True)
class Turn:
    """For how long a holder still waits, 0 in turn; `rate` is sign-ins a second."""

    seconds: float
    rate: int

    @property
    def ahead(self) -> int:
        """How many holders have an earlier moment."""
        return math.ceil(self.seconds * self.rate)

    @property
    def look_again(self) -> int:
        """After how many seconds the page asks again: seldom where the queue is long, so that those
        who wait are no crowd of their own."""
        if self.seconds <= 5:
            return math.ceil(self.seconds) + 1
        return min(60, max(5, int(self.seconds / 3)))


class NotYourTurn(Exception):
    """More holders are beginning than the portal is sized for; `turn` says when to come."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


def turn_of(holder_id: int) -> Turn:
    """The holder's place, taken now where there was none."""
    rate: int = settings.SIGN_INS_A_SECOND
    if not rate:
        return Turn(0, rate)
    name = salted_hmac("identity.turns", str(holder_id), algorithm="sha256").hexdigest()[:24]
    values = (
        1_000_000 // rate,
        BURST_MICROSECONDS,
        KEPT // timedelta(milliseconds=1),
    )
    waits = quick_redis.ask(
        lambda redis: int(redis.eval(_TAKE, 2, f"turn:{name}", "turn-last", *values))
    )
    return Turn((waits or 0) / 1_000_000, rate)


def wait_for_turn(holder_id: int) -> None:
    """Return when it is the holder's turn to begin; else raise NotYourTurn at once."""
    turn = turn_of(holder_id)
    if turn.seconds > 0:
        LIMITS_HIT.labels("turn").inc()
        raise NotYourTurn(turn)
