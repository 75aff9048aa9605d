"""What a zip holds (压缩包): one register, inflated as a stream that trusts no declared size."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from meetings.register.chunks import BLOCK_BYTES, Stream, WholeFile, blocks
from meetings.register.findings import Finding, Unreadable

# Beyond both, a file was made to fill memory: registers compress about ten times.
LARGEST_EXPANDED = 64 << 20
LARGEST_RATIO = 100
MOST_MEMBERS = 1_000
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True)
class Member:
    """One file in a zip; its stream raises Unreadable when the declared size or CRC is untrue."""

    file: IO[bytes]
    info: zipfile.ZipInfo
    broken: str  # kinds of findings
    too_large: str

    @property
    def name(self) -> str:
        return self.info.filename

    @property
    def size(self) -> int:
        return self.info.file_size

    def open(self) -> Stream:
        return _Inflated(self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        """The expanded bytes; no more than declared are ever given on."""
        given, crc = 0, 0
        for block in self._inflated_blocks():
            given += len(block)
            crc = zlib.crc32(block, crc)
            if given > self.size:
                raise Unreadable(Finding(self.too_large))
            yield block
        if given != self.size:
            raise Unreadable(Finding(self.too_large))
        if crc != self.info.CRC:
            raise Unreadable(Finding(self.broken))

    def _inflated_blocks(self) -> Iterator[bytes]:
        if self.info.compress_type == zipfile.ZIP_STORED:
            yield from self._packed_blocks()
            return
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed_blocks():
                yield inflate.decompress(packed, BLOCK_BYTES)
                while inflate.unconsumed_tail:
                    yield inflate.decompress(inflate.unconsumed_tail, BLOCK_BYTES)
            yield inflate.flush()  # the end of a last match at most: all input was taken
        except zlib.error:
            raise Unreadable(Finding(self.broken)) from None
        if not inflate.eof:
            raise Unreadable(Finding(self.broken))

    def _packed_blocks(self) -> Iterator[bytes]:
        self.file.seek(self.info.header_offset)
        header = self.file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise Unreadable(Finding(self.broken))
        *_rest, name, extra = _LOCAL_HEADER.unpack(header)
        at = self.info.header_offset + len(header) + name + extra
        left = self.info.compress_size
        while left:
            self.file.seek(at)  # each time: two members may be read by turns
            block = self.file.read(min(left, BLOCK_BYTES // 4))
            if not block:
                raise Unreadable(Finding(self.broken))
            at, left = at + len(block), left - len(block)
            yield block


class _Inflated:
    """A stream over blocks."""

    def __init__(self, expanded: Iterator[bytes]) -> None:
        self._expanded = expanded
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        while len(self._waiting) < size and (block := next(self._expanded, None)) is not None:
            self._waiting += block
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken


def members(file: IO[bytes], *, broken: str, too_large: str) -> list[Member]:
    """The files of a zip, their declared sizes within bounds; Unreadable of these kinds if not."""
    try:
        listed = [i for i in zipfile.ZipFile(file).infolist() if not i.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        raise Unreadable(Finding(broken)) from None
    size = file.seek(0, 2)
    expanded = sum(info.file_size for info in listed)
    if expanded > max(LARGEST_EXPANDED, LARGEST_RATIO * size):
        raise Unreadable(Finding(too_large))
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if len(listed) > MOST_MEMBERS or any(
        info.flag_bits & 1
        or info.compress_type not in known
        or not 0 <= info.header_offset < size  # a damaged directory may point anywhere
        or _climbs(info.filename)
        for info in listed
    ):
        raise Unreadable(Finding(broken))
    return [Member(file, info, broken, too_large) for info in listed]


def only_member(file: IO[bytes]) -> Member:
    """The one file in a zip."""
    if not _begins_like_a_zip(file):
        raise Unreadable(Finding("NOT_A_REGISTER"))
    found = members(file, broken="ZIP_CONTENT", too_large="ZIP_TOO_LARGE")
    if len(found) != 1:
        raise Unreadable(Finding("ZIP_CONTENT"))
    return found[0]


def held(member: Member) -> WholeFile:
    """A member in memory, for what must be read here and there: an XLSX is itself a zip."""
    return WholeFile(io.BytesIO(b"".join(blocks(member.open()))), member.size)


def _begins_like_a_zip(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(2) == b"PK"


def _climbs(name: str) -> bool:
    """Whether a member's name leads out of the folder that it is unpacked in."""
    path = name.replace("\\", "/")
    return path.startswith("/") or ".." in path.split("/") or path[1:2] == ":"
