"""Data keys of a meeting and the key-encryption keys that wrap them.

Five random 32-byte keys a meeting: records (sealed personal data), index (blind indexes), links,
challenges, and log (pseudonyms and salts of the ballot log). Destroying the wrapped keys ends all
personal data of the meeting at once, whatever copies of the rows exist. What signs the logs of all
meetings is in log_keys.py, how key-encryption keys are changed in rewrapping.py.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from pathlib import Path
from typing import Protocol

from django.conf import settings

from meetings.models import MeetingKey
from voting_portal.common import sealing

REMEMBERED_SECONDS = 60
_remembered: dict[tuple[int, str], tuple[float, tuple[int, bytes]]] = {}


class KeyDestroyed(Exception):
    """The meeting has no such key (any more); its personal data cannot be read."""


class KeyStore(Protocol):
    """Where key-encryption keys live: a file now, an HSM behind the same calls.

    `current` is the name of the one that wraps; a wrapped key begins with `mark` of its name.
    """

    current: str

    def wrap(self, key: bytes, *, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes: ...


class FileKeyStore:
    """Keys in a JSON file: `{"current": "1", "keys": {"1": "<base64 of 32 bytes>"}}`."""

    def __init__(self, path: Path) -> None:
        if not path.exists() and not settings.IS_PRODUCTION:
            _write_first_key(path)
        content = json.loads(path.read_text())
        self.current: str = content["current"]
        self.keys = {name: base64.b64decode(key) for name, key in content["keys"].items()}

    def wrap(self, key: bytes, *, context: bytes) -> bytes:
        sealed = sealing.seal(self.keys[self.current], key, context=context)
        return mark(self.current) + sealed

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        end = 1 + wrapped[0]
        key = self.keys[wrapped[1:end].decode()]
        return sealing.open_sealed(key, wrapped[end:], context=context)


def mark(name: str) -> bytes:
    """What begins every key that is wrapped by a key-encryption key: its name, its length first."""
    return bytes([len(name.encode())]) + name.encode()


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


def unwrap(row: MeetingKey) -> bytes:
    """The key in a row that was read already."""
    return keystore().unwrap(bytes(row.wrapped), context=context_of(row))


def context_of(row: MeetingKey) -> bytes:
    """What a key of a meeting is wrapped for."""
    return _context(row.meeting_id, row.purpose)


def _context(meeting_id: int, purpose: str) -> bytes:
    return f"meeting-key {meeting_id} {purpose}".encode()


def forget() -> None:
    """Ask the database again at the next question, e.g. after its keys were changed."""
    _remembered.clear()


def _write_first_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = base64.b64encode(secrets.token_bytes(sealing.KEY_BYTES)).decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        json.dump({"current": "1", "keys": {"1": key}}, file)
