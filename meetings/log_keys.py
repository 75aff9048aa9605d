"""The keys that sign ballot logs (日志签名密钥): one at a time for all meetings.

The first is made with the first meeting. A newer one takes over in each log as that grows
(ballots/log/handing_over.py); until then a log is signed by the key that it is at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from meetings import journal
from meetings.keys import REMEMBERED_SECONDS, KeyDestroyed, keystore
from meetings.models import LogKey

_signers: dict[int, tuple[float, LogSigner]] = {}


@dataclass(frozen=True)
class LogSigner:
    """A key that signs ballot logs: its number and name, its public half, and what signs."""

    number: int
    name: str
    public: bytes  # 32 bytes
    private: Ed25519PrivateKey


def make_first_log_key() -> None:
    """Make key 1 unless there is a key; of two that make it at once one prevails."""
    if not LogKey.objects.exists():
        LogKey.objects.get_or_create(number=1, defaults=_new(settings.LOG_NAME, 1))


def add_log_key(*, by: str, now: datetime) -> LogKey:
    """Make the next key, which signs new logs from now on and older ones as they grow.

    It has the name of the one before: names stand in the notices of meetings. Whoever replaces the
    older ones is noted with them: another one must retire them.
    """
    last = newest_log_key()
    number = last.number + 1
    row = LogKey.objects.create(number=number, **_new(last.name, number))
    LogKey.objects.filter(number__lt=number, wrapped__isnull=False).update(replaced_by=by)
    journal.record(None, "log_key.added", by=by, at=now, number=number)
    return row


def newest_log_key() -> LogKey:
    """The key that signs what begins now; KeyDestroyed before the first meeting is prepared."""
    row = LogKey.objects.order_by("-number").first()
    if row is None:
        raise KeyDestroyed("no log key was made yet")
    return row


def log_signer(number: int) -> LogSigner:
    """What signs with a key, remembered for a minute; KeyDestroyed once it is retired."""
    remembered = _signers.get(number)
    if remembered and remembered[0] > time.monotonic():
        return remembered[1]
    row = LogKey.objects.get(number=number)
    if row.wrapped is None:
        raise KeyDestroyed(f"log key {number} is retired")
    seed = keystore().unwrap(bytes(row.wrapped), context=context_of(row))
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signer = LogSigner(row.number, row.name, bytes(row.public), private)
    _signers[number] = time.monotonic() + REMEMBERED_SECONDS, signer
    return signer


def forget() -> None:
    """Ask the database again at the next question, e.g. after its keys were changed."""
    _signers.clear()


def context_of(row: LogKey) -> bytes:
    """What a key of logs is wrapped for."""
    return _context(row.name, row.number)


def _new(name: str, number: int) -> dict[str, object]:
    private = Ed25519PrivateKey.generate()
    seed, context = private.private_bytes_raw(), _context(name, number)
    return {
        "name": name,
        "public": private.public_key().public_bytes_raw(),
        "wrapped": keystore().wrap(seed, context=context),
    }


def _context(name: str, number: int) -> bytes:
    return f"log-key {name} {number}".encode()
