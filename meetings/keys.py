"""Data keys of a meeting and the key-encryption keys that wrap them.

Five random 32-byte keys a meeting: records (sealed personal data), index (blind indexes), links,
challenges, and log (pseudonyms and salts of the ballot log). Destroying the wrapped keys ends all
personal data of the meeting at once, whatever copies of the rows exist. One more key signs the logs
of all meetings; it is kept in the same way.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection

from meetings.models import LogKey, MeetingKey
from voting_portal.common import sealing

REMEMBERED_SECONDS = 60
_remembered: dict[tuple[int, str], tuple[float, tuple[int, bytes]]] = {}
_log_signer: dict[int, tuple[float, LogSigner]] = {}


class KeyDestroyed(Exception):
    """The meeting has no such key (any more); its personal data cannot be read."""


@dataclass(frozen=True)
class LogSigner:
    """The key that signs ballot logs: its name, 32 bytes of public key, and what signs."""

    name: str
    public: bytes
    private: Ed25519PrivateKey


class KeyStore(Protocol):
    """Where key-encryption keys live: a file now, an HSM behind the same two calls."""

    def wrap(self, key: bytes, *, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes: ...


class FileKeyStore:
    """Keys in a JSON file: `{"current": "1", "keys": {"1": "<base64 of 32 bytes>"}}`.

    A wrapped key begins with the name of its key-encryption key, one byte of length before it.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists() and not settings.IS_PRODUCTION:
            _write_first_key(path)
        content = json.loads(path.read_text())
        self.current: str = content["current"]
        self.keys = {name: base64.b64decode(key) for name, key in content["keys"].items()}

    def wrap(self, key: bytes, *, context: bytes) -> bytes:
        name = self.current.encode()
        return (
            bytes([len(name)]) + name + sealing.seal(self.keys[self.current], key, context=context)
        )

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        end = 1 + wrapped[0]
        key = self.keys[wrapped[1:end].decode()]
        return sealing.open_sealed(key, wrapped[end:], context=context)


def keystore() -> KeyStore:
    return FileKeyStore(Path(settings.KEYSTORE_FILE))


def make_keys(meeting_id: int) -> None:
    """Give a new meeting its keys."""
    store = keystore()
    MeetingKey.objects.bulk_create(
        MeetingKey(
            meeting_id=meeting_id,
            purpose=purpose,
            wrapped=store.wrap(sealing.new_key(), context=_context(meeting_id, purpose)),
        )
        for purpose in MeetingKey.Purpose.values
    )


def meeting_key(meeting_id: int, purpose: MeetingKey.Purpose) -> bytes:
    """The 32 bytes of a key, remembered for a minute; KeyDestroyed when there is none."""
    return _newest(meeting_id, purpose)[1]


def link_key(meeting_id: int) -> tuple[int, bytes]:
    """What new links of a meeting are signed with: its id and the 32 bytes; KeyDestroyed."""
    return _newest(meeting_id, MeetingKey.Purpose.LINKS)


def add_link_key(meeting_id: int, *, by: str) -> MeetingKey:
    """A new key for the links of a meeting; links of the older ones still hold."""
    key_id = link_key(meeting_id)[0] + 1
    context = _context(meeting_id, MeetingKey.Purpose.LINKS)
    row = MeetingKey.objects.create(
        meeting_id=meeting_id,
        purpose=MeetingKey.Purpose.LINKS,
        key_id=key_id,
        wrapped=keystore().wrap(sealing.new_key(), context=context),
        made_by=by,
    )
    _remembered.pop((meeting_id, MeetingKey.Purpose.LINKS), None)
    return row


def _newest(meeting_id: int, purpose: str) -> tuple[int, bytes]:
    remembered = _remembered.get((meeting_id, purpose))
    if remembered and remembered[0] > time.monotonic():
        return remembered[1]
    rows = MeetingKey.objects.filter(meeting_id=meeting_id, purpose=purpose)
    row = rows.order_by("-key_id").first()
    if row is None:
        raise KeyDestroyed(f"meeting {meeting_id} has no {purpose} key")
    found = row.key_id, unwrap(row)
    _remembered[meeting_id, purpose] = time.monotonic() + REMEMBERED_SECONDS, found
    return found


def log_signer() -> LogSigner:
    """What signs for this installation, remembered for a minute; the first call makes it."""
    remembered = _log_signer.get(0)
    if remembered and remembered[0] > time.monotonic():
        return remembered[1]
    row = LogKey.objects.order_by("-number").first() or _first_log_key()
    seed = keystore().unwrap(bytes(row.wrapped), context=_log_context(row.name, row.number))
    signer = LogSigner(row.name, bytes(row.public), Ed25519PrivateKey.from_private_bytes(seed))
    if not connection.in_atomic_block:  # a key that was made in it may yet be rolled back
        _log_signer[0] = time.monotonic() + REMEMBERED_SECONDS, signer
    return signer


def _first_log_key() -> LogKey:
    """Make key 1; of two that make it at once one prevails."""
    name, private = settings.LOG_NAME, Ed25519PrivateKey.generate()
    values = {
        "name": name,
        "public": private.public_key().public_bytes_raw(),
        "wrapped": keystore().wrap(private.private_bytes_raw(), context=_log_context(name, 1)),
    }
    return LogKey.objects.get_or_create(number=1, defaults=values)[0]


def unwrap(row: MeetingKey) -> bytes:
    """The key in a row that was read already."""
    return keystore().unwrap(bytes(row.wrapped), context=_context(row.meeting_id, row.purpose))


def _context(meeting_id: int, purpose: str) -> bytes:
    return f"meeting-key {meeting_id} {purpose}".encode()


def _log_context(name: str, number: int) -> bytes:
    return f"log-key {name} {number}".encode()


def forget() -> None:
    """Ask the database again at the next question, e.g. after its keys were changed."""
    _remembered.clear()
    _log_signer.clear()


def _write_first_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = base64.b64encode(secrets.token_bytes(sealing.KEY_BYTES)).decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        json.dump({"current": "1", "keys": {"1": key}}, file)
