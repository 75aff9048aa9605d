"""Parts of pages that are the same for all holders (页面片段), drawn once and shared.

A fragment's key says everything that it depends on, the meeting's revision and stage among it. So
nothing is ever made invalid: what has changed is asked for under another key, in every process at
once. Fragments are kept in the process and in Redis, where a new process finds what another has
drawn. Redis is no truth: what comes from it counts with our signature only, and while it is gone
every process draws for itself.

Nothing personal is in a fragment. In the places of what is, it holds marks, which `filled` replaces
request by request.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from django.conf import settings
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from voting_portal.common import quick_redis

MOST = 2_000  # fragments of one generation; a process keeps two
LASTS_SECONDS = 3_600  # in Redis, after it was drawn
_MARK = re.compile("\0([^\0]*)\0")  # no text from the database holds a NUL
_PLACE = "fragment:"
_SIGNATURE_BYTES = 32


class _Kept:
    """The two newest generations: what the older one still gives moves into the newer one."""

    newer: dict[str, SafeString] = {}
    older: dict[str, SafeString] = {}


def mark(name: str) -> SafeString:
    """A place for what is personal, to be drawn into a fragment."""
    return mark_safe(f"\0{name}\0")  # noqa: S308 - a name of our own between two NULs


def drawn(what: str, *facts: object, draw: Callable[[], str]) -> SafeString:
    """The fragment `what` of these facts, drawn now if neither this process nor Redis has it.

    `facts` are all that it depends on, as values whose `repr` is the same in every process; none
    may be personal, for they are what its readers have in common.
    """
    key = hashlib.sha256(repr((_release(), what, facts)).encode()).hexdigest()
    found = _Kept.newer.get(key)
    if found is not None:
        return found
    found = _Kept.older.get(key) or _from_redis(key)
    if found is None:
        found = mark_safe(draw())  # noqa: S308 - templates escape what they draw
        _to_redis(key, found)
    if len(_Kept.newer) >= MOST:
        _Kept.older, _Kept.newer = _Kept.newer, {}
    _Kept.newer[key] = found
    return found


def filled(fragment: str, values: Mapping[str, str]) -> SafeString:
    """The fragment with a value in the place of each mark, escaped unless it is safe already."""

    def value(found: re.Match[str]) -> str:
        return conditional_escape(values[found[1]])

    return mark_safe(_MARK.sub(value, fragment))  # noqa: S308 - every value is escaped


def forget() -> None:
    """Begin like a fresh process."""
    _Kept.newer, _Kept.older = {}, {}


def _from_redis(key: str) -> SafeString | None:
    stored = quick_redis.ask(lambda redis: redis.get(_PLACE + key) or b"")
    if not isinstance(stored, bytes) or len(stored) < _SIGNATURE_BYTES:
        return None
    signature, text = stored[:_SIGNATURE_BYTES], stored[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(key, text)):
        return None
    return mark_safe(text.decode())  # noqa: S308 - drawn and signed by a process of ours


def _to_redis(key: str, fragment: str) -> None:
    text = fragment.encode()
    stored = _signature(key, text) + text
    quick_redis.ask(lambda redis: redis.set(_PLACE + key, stored, ex=LASTS_SECONDS) or True)


def _signature(key: str, text: bytes) -> bytes:
    secret = hashlib.sha256(b"fragments" + settings.SECRET_KEY.encode()).digest()
    return hmac.digest(secret, key.encode() + text, "sha256")


@functools.cache
def _release() -> str:
    """What draws, as a hash: two versions that run side by side share nothing."""
    root = Path(settings.BASE_DIR)
    seen = hashlib.sha256()
    for pattern in ("templates/**/*.*", "locale/**/*.mo", "static/**/*.*", "*/templatetags/*.py"):
        for file in sorted(root.glob(pattern)):
            seen.update(file.read_bytes())
    return seen.hexdigest()
