"""Data keys of a meeting and what wraps them.

Five random 32-byte keys a meeting: records (sealed personal data), index (blind indexes), links,
challenges, and log (pseudonyms and salts of the ballot log). They stand in the database, wrapped by
a key of the meeting's own that does not (wrapping_keys.py): destroying that one ends all personal
data of the meeting at once, whatever copies of the database exist. What signs the logs of all
meetings is in log_keys.py, how key-encryption keys are changed in rewrapping.py.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from django.conf import settings

from meetings.models import MeetingKey
from meetings.wrapping_keys import NAME, KeyDestroyed, KeyMissing, WrappingKeys
from voting_portal.common import sealing

__all__ = ["KeyDestroyed"]

REMEMBERED_SECONDS = 60
_remembered: dict[tuple[int, str], tuple[float, tuple[int, bytes]]] = {}


class KeyStore(Protocol):
    """Where keys live that wrap others: files now, an HSM or a key service behind the same calls.

    `current` is the name of the key-encryption key in force.

    A wrapped key begins with the `mark` of what wraps it.
    """

    current: str

    def wrap(self, key: bytes, *, context: bytes, under: str = "") -> bytes:
        """Wrap under a key that `make` named, else under the key-encryption key in force."""

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """What `wrap` took; KeyDestroyed when the key that wraps it is gone."""

    def make(self, meeting_id: int) -> str:
        """Make a wrapping key for a meeting and return its name."""

    def destroy(self, name: str) -> None:
        """End a key that `make` named, for ever and at once; twice is once. KeyMissing."""

    def guards(self) -> dict[str, str]:
        """The key-encryption keys under which keys are that `make` named and nobody destroyed."""

    def reseal(self, name: str) -> None:
        """Put a key that `make` named under the key-encryption key in force; KeyMissing."""


class FileKeyStore:
    """Key-encryption keys in a JSON file, `{"current": "1", "keys": {"1": "<base64 of 32
    bytes>"}}`, and a folder for the wrapping keys of meetings, sealed under those."""

    def __init__(self, path: Path, folder: Path) -> None:
        if not settings.IS_PRODUCTION:
            if not path.exists():
                _write_first_key(path)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = json.loads(path.read_text())
        self.current: str = content["current"]
        self.keys = {name: base64.b64decode(key) for name, key in content["keys"].items()}
        self.wrapping = WrappingKeys(folder)

    def wrap(self, key: bytes, *, context: bytes, under: str = "") -> bytes:
        name = under or self.current
        return mark(name) + sealing.seal(self._key(name), key, context=context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        name = wrapped_by(wrapped)
        return sealing.open_sealed(self._key(name), wrapped[1 + len(name) :], context=context)

    def make(self, meeting_id: int) -> str:
        name = f"{meeting_id}-{secrets.token_hex(8)}"
        self.wrapping.put(name, self.wrap(sealing.new_key(), context=_wrapping_context(name)))
        return name

    def destroy(self, name: str) -> None:
        self.wrapping.destroy(name)

    def guards(self) -> dict[str, str]:
        return {name: wrapped_by(sealed) for name, sealed in self.wrapping.all()}

    def reseal(self, name: str) -> None:
        context = _wrapping_context(name)
        with self.wrapping.alone():  # a key that is destroyed meanwhile must not come back
            if not self.wrapping.is_destroyed(name):
                key = self.unwrap(self.wrapping.read(name), context=context)
                self.wrapping.replace(name, self.wrap(key, context=context))

    def _key(self, name: str) -> bytes:
        if name in self.keys:
            return self.keys[name]
        return self.unwrap(self.wrapping.read(name), context=_wrapping_context(name))


def wrapped_by(wrapped: bytes) -> str:
    """The name of what wraps a key."""
    return wrapped[1 : 1 + wrapped[0]].decode()


def mark(name: str) -> bytes:
    """What begins every wrapped key: the name of what wraps it, its length first."""
    return bytes([len(name.encode())]) + name.encode()


def keystore() -> KeyStore:
    return FileKeyStore(Path(settings.KEYSTORE_FILE), Path(settings.MEETING_KEYS_DIR))


def make_keys(meeting_id: int) -> None:
    """Give a new meeting its keys, and the key that wraps them."""
    store = keystore()
    name = store.make(meeting_id)
    MeetingKey.objects.bulk_create(
        MeetingKey(
            meeting_id=meeting_id,
            purpose=purpose,
            wrapped=store.wrap(
                sealing.new_key(), context=_context(meeting_id, purpose), under=name
            ),
        )
        for purpose in MeetingKey.Purpose.values
    )


def wrapping_keys_of(meeting_id: int) -> list[str]:
    """The names of what wraps a meeting's data keys."""
    rows = MeetingKey.objects.filter(meeting_id=meeting_id).values_list("wrapped", flat=True)
    return sorted({wrapped_by(bytes(wrapped)) for wrapped in rows if wrapped is not None})


def destroy_keys(names: Sequence[str]) -> None:
    """End wrapping keys of one meeting, outside the database, and make sure that they are gone.

    Twice is once. KeyMissing when one is not where it should be.
    """
    store = keystore()
    for name in names:
        if not NAME.fullmatch(name):  # a key-encryption key wraps for all meetings
            raise ValueError(f"{name} is no wrapping key of a meeting")
    for name in names:
        store.destroy(name)
    forget()
    if names and not are_destroyed(names):
        raise RuntimeError(f"{names} still wrap after they were destroyed")


def are_destroyed(names: Sequence[str]) -> bool:
    """Whether wrapping keys were destroyed; KeyMissing for one that is not where it should be."""
    return bool(names) and all(_is_destroyed(name) for name in names)


def _is_destroyed(name: str) -> bool:
    try:
        keystore().wrap(b"", context=b"", under=name)
    except KeyMissing:
        raise
    except KeyDestroyed:
        return True
    return False


def meeting_key(meeting_id: int, purpose: MeetingKey.Purpose) -> bytes:
    """The 32 bytes of a key, remembered for a minute; KeyDestroyed when there is none."""
    return _newest(meeting_id, purpose)[1]


def link_key(meeting_id: int) -> tuple[int, bytes]:
    """What new links of a meeting are signed with: its id and the 32 bytes; KeyDestroyed."""
    return _newest(meeting_id, MeetingKey.Purpose.LINKS)


def add_link_key(meeting_id: int, *, by: str) -> MeetingKey:
    """A new key for the links of a meeting; links of the older ones still hold.

    Whoever replaces them is noted with them: another one must end them.
    """
    key_id = link_key(meeting_id)[0] + 1
    context = _context(meeting_id, MeetingKey.Purpose.LINKS)
    (name,) = wrapping_keys_of(meeting_id)
    row = MeetingKey.objects.create(
        meeting_id=meeting_id,
        purpose=MeetingKey.Purpose.LINKS,
        key_id=key_id,
        wrapped=keystore().wrap(sealing.new_key(), context=context, under=name),
        made_by=by,
    )
    older = MeetingKey.objects.filter(
        meeting_id=meeting_id, purpose=MeetingKey.Purpose.LINKS, key_id__lt=key_id
    )
    older.filter(wrapped__isnull=False).update(replaced_by=by)
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
    """The key in a row that was read already; KeyDestroyed when it was ended."""
    if row.wrapped is None:
        raise KeyDestroyed(f"key {row.key_id} of meeting {row.meeting_id} was ended")
    return keystore().unwrap(bytes(row.wrapped), context=context_of(row))


def context_of(row: MeetingKey) -> bytes:
    """What a key of a meeting is wrapped for."""
    return _context(row.meeting_id, row.purpose)


def _context(meeting_id: int, purpose: str) -> bytes:
    return f"meeting-key {meeting_id} {purpose}".encode()


def _wrapping_context(name: str) -> bytes:
    return f"wrapping-key {name}".encode()


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
