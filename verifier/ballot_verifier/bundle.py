"""A bundle (验证包): one ZIP file from somebody who is not trusted, read piece by piece.

Whatever is wrong with the file itself (no ZIP, names that do not belong there, more data than it
can honestly hold, JSON that says a thing twice) is `Unreadable`: nothing was checked. What is wrong
with the votes is found by the steps, not here.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = (
    "keys.txt",
    "agenda.json",
    "checkpoints.txt",
    "entries.bin",
    "openings.txt",
    "register.txt",
    "lists.json",
    "totals.json",
    "manifest.json",
)
NEEDED = NAMES[:5]
ENTRY_SIZE = 33  # bytes of a leaf: its kind and its commitment
MOST_LEAVES = 1 << 28
MOST_BYTES = {
    "keys.txt": 1 << 16,
    "agenda.json": 1 << 24,
    "checkpoints.txt": 1 << 30,
    "entries.bin": ENTRY_SIZE * MOST_LEAVES,
    "openings.txt": 1 << 40,
    "register.txt": 1 << 40,
    "lists.json": 1 << 26,
    "totals.json": 1 << 26,
    "manifest.json": 1 << 16,
}
# A line has at least 32 random bytes, so honest text packs about tenfold; a bomb a thousandfold.
MOST_PACKED, PACKED_FROM = 150, 1 << 20
LONGEST_LINE = 1 << 18  # bytes
PIECE = 1 << 22  # bytes that are read at a time
LONGEST_NUMBER = 20  # digits
END_OF_ARCHIVE = b"PK\x05\x06"
MOST_DIRECTORY = 1 << 16  # bytes; nine names need less than one thousand


class Unreadable(Exception):
    """The bundle cannot be read, and nothing was checked; the words say what and where."""


class Bundle:
    """The files of a bundle. What was read whole is in `digests`: bytes and SHA-256 by name."""

    def __init__(self, path: Path) -> None:
        _check_directory(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise Unreadable(f"{path.name}: not a ZIP file ({error})") from None
        self.digests: dict[str, tuple[int, str]] = {}
        self._check_names()
        self._check_places()

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    def close(self) -> None:
        self._archive.close()

    def size(self, name: str) -> int:
        """Bytes of a file as the archive says; reading more than that is refused."""
        return self._archive.NameToInfo[name].file_size if name in self else 0

    def pieces(self, name: str) -> Iterator[bytes]:
        """A file in pieces of a few megabytes, or Unreadable."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._archive.open(name) as file:
                while piece := file.read(PIECE):
                    size += len(piece)
                    digest.update(piece)
                    yield piece
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            struct.error,
            NotImplementedError,
        ) as error:
            raise Unreadable(f"{name}: damaged ({error})") from None
        self.digests[name] = size, digest.hexdigest()

    def read(self, name: str) -> bytes:
        """A whole file; only for those whose size is bounded by what is in them."""
        return b"".join(self.pieces(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """A text in pieces of whole lines, each ending with LF; Unreadable for a line too long."""
        rest = b""
        for piece in self.pieces(name):
            whole, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield rest + whole + newline
                rest = tail
            else:
                rest += tail
            if len(rest) > LONGEST_LINE:
                raise Unreadable(f"{name}: a line of more than {LONGEST_LINE} bytes")
        if rest:
            raise Unreadable(f"{name}: the last line does not end")

    def document(self, name: str) -> dict[str, Any]:
        """A JSON object, or Unreadable."""
        return parse_json(self.read(name), name=name)

    def _check_names(self) -> None:
        infos = self._archive.infolist()
        names = [info.filename for info in infos]
        for name in names:
            if name not in NAMES:
                raise Unreadable(f"a file that does not belong there: {name[:80]!r}")
        if len(set(names)) < len(names):
            raise Unreadable("a file stands in the bundle twice")
        if missing := [name for name in NEEDED if name not in names]:
            raise Unreadable(f"missing: {', '.join(missing)}")
        for info in infos:
            if info.flag_bits & 1:
                raise Unreadable(f"{info.filename}: encrypted")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise Unreadable(f"{info.filename}: packed in a way that bundles are not")
            if info.file_size > MOST_BYTES[info.filename]:
                raise Unreadable(f"{info.filename}: {info.file_size} bytes are too many")
            packed = max(1, info.compress_size)
            if info.file_size > PACKED_FROM and info.file_size > MOST_PACKED * packed:
                raise Unreadable(f"{info.filename}: unpacks to {info.file_size} bytes, a ZIP bomb")

    def _check_places(self) -> None:
        """Two files that share bytes of the archive would unpack to more than there is."""
        end = 0
        for info in sorted(self._archive.infolist(), key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise Unreadable(f"{info.filename}: overlaps another file")
            end = info.header_offset + 30 + info.compress_size


def parse_json(data: bytes, *, name: str) -> dict[str, Any]:
    """An object of texts, whole numbers, booleans, lists and objects; else Unreadable.

    No name stands twice, no number has a fraction or more digits than counts have.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_number,
        )
    except RecursionError:
        raise Unreadable(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"{name}: not JSON as it must be ({error})") from None
    if not isinstance(value, dict):
        raise Unreadable(f"{name}: not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"{text[:20]} is no whole number")


def _number(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number too long")
    return int(text)


def _check_directory(path: Path) -> None:
    """A directory of millions of names would fill the memory before one could be looked at."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 22 - 20 - 56))
            tail = file.read()
    except OSError as error:
        raise Unreadable(f"{path.name}: {error.strerror}") from None
    end = tail[-22:]
    if not end.startswith(END_OF_ARCHIVE) or end[-2:] != b"\0\0":
        raise Unreadable(f"{path.name}: not a ZIP file that ends as one")
    count, directory = struct.unpack("<HI", end[10:16])
    large = tail[-22 - 20 - 56 : -22 - 20]
    if tail[-22 - 20 : -22].startswith(b"PK\x06\x07") and large.startswith(b"PK\x06\x06"):
        count, directory = struct.unpack("<QQ", large[32:48])
    if count > len(NAMES) or directory > MOST_DIRECTORY:
        raise Unreadable(f"{path.name}: holds {count} files, a bundle at most {len(NAMES)}")
