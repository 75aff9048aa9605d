"""The wrapping keys of meetings (会议包裹密钥), kept outside the database so that they can end.

A backup of the database holds the data keys of its meetings, wrapped. What wraps them must
therefore be in no such backup, and it must be one key a meeting: the key-encryption keys, which
wrap for all, can never be destroyed. Here each is a small file of its own, itself sealed under a
key-encryption key; a key service (KMS) would hold them as keys that it schedules for deletion.

A destroyed key leaves its name behind. So a folder that is not mounted, or one that lacks a key
which it should have, is never taken for a key that was destroyed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = re.compile(r"\d+-[0-9a-f]{16}")
DESTROYED = b"destroyed"


class KeyDestroyed(Exception):
    """The meeting has no such key (any more); its personal data cannot be read."""


class KeyMissing(KeyDestroyed):
    """There should be such a key and there is none here: is the folder mounted, is it the right
    one?"""


class WrappingKeys:
    """A folder with a file for each wrapping key, named `MEETING-RANDOM`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, sealed: bytes) -> None:
        """Keep a new key, on the disk before this returns."""
        path = self._path(name)
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(descriptor, sealed)
        new.rename(path)
        self._sync()

    def replace(self, name: str, sealed: bytes) -> None:
        """Keep the same key sealed otherwise, e.g. under a new key-encryption key; within `alone`
        with the reading of it."""
        self.read(name)
        path = self._path(name)
        path.with_suffix(".new").unlink(missing_ok=True)
        self.put(name, sealed)

    def read(self, name: str) -> bytes:
        """The sealed key; KeyDestroyed, KeyMissing."""
        try:
            content = self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeyMissing(f"{self.folder} holds no key {name}") from None
        if content.startswith(DESTROYED):
            raise KeyDestroyed(f"key {name} was destroyed")
        return content

    def destroy(self, name: str) -> None:
        """Overwrite a key where it lies and leave its name; twice is once. KeyMissing.

        On the disk before this returns. It is written over, not beside, so that as far as the file
        system goes nothing of it stays.
        """
        path = self._path(name)
        with self.alone():
            try:
                descriptor = os.open(path, os.O_WRONLY)
            except FileNotFoundError:
                raise KeyMissing(f"{self.folder} holds no key {name}") from None
            length = os.fstat(descriptor).st_size
            _write(descriptor, DESTROYED.ljust(length))
            path.with_suffix(".new").unlink(missing_ok=True)
            self._sync()

    def all(self) -> Iterator[tuple[str, bytes]]:
        """Names and sealed keys, of those that are not destroyed."""
        for path in sorted(self.folder.iterdir()):
            if NAME.fullmatch(path.name):
                content = path.read_bytes()
                if not content.startswith(DESTROYED):
                    yield path.name, content

    def is_destroyed(self, name: str) -> bool:
        return self._path(name).read_bytes().startswith(DESTROYED)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from changing a key meanwhile."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ValueError(f"no name of a wrapping key: {name!r}")
        return self.folder / name

    def _sync(self) -> None:
        """Put the folder's own entries on the disk."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
