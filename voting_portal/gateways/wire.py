"""PDUs of the carriers' socket dialects: tables of fields, headers, and a stream cut into them.

CMPP, SMGP, SGIP and SMPP are alike: a length, a command, a sequence number that the answer repeats,
and fields in a fixed order, whole numbers in network byte order. A dialect writes its tables down
as `Layout`s; whatever does not fit them is Malformed, with the place, and ends the connection.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

IS_ANSWER = 0x8000_0000  # the bit by which an answer's command differs from its request's
LONGEST_PDU = 65_536
GARBAGE = "garbage"  # how the end of a connection begins on which no PDUs came


class Malformed(Exception):
    """Bytes that are no PDU of the dialect; the message says where, and quotes none of them."""


@dataclass(frozen=True)
class Fixed:
    """A field of a known number of octets, in the language of `struct`."""

    code: str
    is_text: bool = False


@dataclass(frozen=True)
class Terminated:
    """Text up to a zero octet, of at most so many octets with it."""

    most: int


@dataclass(frozen=True)
class Counted:
    """Octets behind their number, which takes `length_octets` itself."""

    length_octets: int


@dataclass(frozen=True)
class Tail:
    """Whatever is left: reserved octets or optional parameters."""


Field = Fixed | Terminated | Counted | Tail

U8, U32 = Fixed("B"), Fixed("I")


def text(octets: int) -> Fixed:
    """ASCII from the left, filled up with zeros."""
    return Fixed(f"{octets}s", is_text=True)


def raw(octets: int) -> Fixed:
    return Fixed(f"{octets}s")


class Layout:
    """The body of a PDU: fields by name in their order. What is not given is zero or empty."""

    def __init__(self, **fields: Field) -> None:
        # Neighbours of fixed length are packed at once.
        self._runs: list[_Run | tuple[str, Terminated | Counted | Tail]] = []
        fixed: dict[str, Fixed] = {}
        for name, field in fields.items():
            if isinstance(field, Fixed):
                fixed[name] = field
                continue
            self._end_run(fixed)
            self._runs.append((name, field))
            fixed = {}
        self._end_run(fixed)

    def _end_run(self, fixed: dict[str, Fixed]) -> None:
        if fixed:
            self._runs.append(_Run(fixed))

    def pack(self, **values: int | str | bytes) -> bytes:
        """The octets; ValueError names a value that does not fit its field."""
        parts = []
        for run in self._runs:
            if isinstance(run, _Run):
                parts.append(run.pack(values))
            else:
                name, field = run
                parts.append(_pack_variable(name, field, values.pop(name, b"")))
        if values:
            raise ValueError(f"no such field: {', '.join(values)}")
        return b"".join(parts)

    def read(self, body: bytes) -> dict[str, Any]:
        """Values by name: numbers, text (`str`) and octets. Malformed unless all of it fits."""
        values: dict[str, Any] = {}
        at = 0
        for run in self._runs:
            if isinstance(run, _Run):
                at = run.read(body, at, values)
            else:
                name, field = run
                values[name], at = _read_variable(name, field, body, at)
        if at != len(body):
            raise Malformed(f"{len(body) - at} octets too many")
        return values


class _Run:
    """Neighbouring fields of fixed length."""

    def __init__(self, fields: Mapping[str, Fixed]) -> None:
        self._fields = dict(fields)
        self._texts = [name for name, field in fields.items() if field.is_text]
        self._empty = {name: b"" if "s" in f.code else 0 for name, f in fields.items()}
        self._struct = struct.Struct(">" + "".join(field.code for field in fields.values()))

    def pack(self, values: dict[str, int | str | bytes]) -> bytes:
        row = []
        for name, empty in self._empty.items():
            value = values.pop(name, empty)
            if isinstance(value, str):
                value = value.encode("ascii")
            if isinstance(value, bytes) and len(value) > int(self._fields[name].code[:-1] or 0):
                raise ValueError(f"{name} is longer than {self._fields[name].code[:-1]} octets")
            row.append(value)
        try:
            return self._struct.pack(*row)
        except struct.error as error:
            raise ValueError(f"one of {', '.join(self._fields)}: {error}") from None

    def read(self, body: bytes, at: int, values: dict[str, Any]) -> int:
        end = at + self._struct.size
        if end > len(body):
            raise Malformed(f"it ends within {', '.join(self._fields)}")
        values.update(zip(self._fields, self._struct.unpack_from(body, at), strict=True))
        for name in self._texts:
            values[name] = values[name].split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return end


def _pack_variable(
    name: str, field: Terminated | Counted | Tail, value: int | str | bytes
) -> bytes:
    octets = value.encode("ascii") if isinstance(value, str) else value
    if not isinstance(octets, bytes):
        raise ValueError(f"{name} is no text")
    match field:
        case Terminated():
            if len(octets) >= field.most or 0 in octets:
                raise ValueError(f"{name} is longer than {field.most - 1} octets")
            return octets + b"\0"
        case Counted():
            if len(octets) >= 256**field.length_octets:
                raise ValueError(f"{name} is too long")
            return len(octets).to_bytes(field.length_octets) + octets
        case Tail():
            return octets


def _read_variable(
    name: str, field: Terminated | Counted | Tail, body: bytes, at: int
) -> tuple[Any, int]:
    match field:
        case Terminated():
            end = body.find(b"\0", at, at + field.most)
            if end < 0:
                raise Malformed(f"{name} does not end")
            return body[at:end].decode("ascii", "replace"), end + 1
        case Counted():
            start = at + field.length_octets
            end = start + int.from_bytes(body[at:start])
            if start > len(body) or end > len(body):
                raise Malformed(f"it ends within {name}")
            return body[start:end], end
        case Tail():
            return body[at:], len(body)


def pack_parameters(values: Mapping[int, bytes]) -> bytes:
    """Optional parameters (TLV) by tag."""
    return b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in values.items())


def read_parameters(tail: bytes) -> dict[int, bytes]:
    """Optional parameters (TLV) by tag; Malformed when one is cut short."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(tail):
        if at + 4 > len(tail):
            raise Malformed("an optional parameter is cut short")
        tag, length = struct.unpack_from(">HH", tail, at)
        at += 4 + length
        if at > len(tail):
            raise Malformed("an optional parameter is cut short")
        found[tag] = tail[at - length : at]
    return found


class Pdu(NamedTuple):
    """One unit of a dialect. `status` is 0 where the header has none."""

    command: int
    sequence: int | bytes
    body: bytes = b""
    status: int = 0


class Header:
    """What every PDU of a dialect begins with; this one is of CMPP and SMGP."""

    octets = 12

    def pack(self, pdu: Pdu) -> bytes:
        length = self.octets + len(pdu.body)
        return struct.pack(">III", length, pdu.command, pdu.sequence) + pdu.body

    def read(self, frame: bytes) -> Pdu:
        _length, command, sequence = struct.unpack_from(">III", frame)
        return Pdu(command, sequence, frame[self.octets :])


class Stream(asyncio.Protocol):
    """One connection, cut into PDUs. Who extends it says what to do with each in `received`."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self.end = ""  # why the connection ended or is about to, for the log

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.end = self.end or (type(exc).__name__ if exc else "the other side hung up")
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._unread += data
        at = 0
        try:
            while len(self._unread) - at >= 4 and self._transport is not None:
                length = int.from_bytes(self._unread[at : at + 4])
                if not self._header.octets <= length <= LONGEST_PDU:
                    raise Malformed(f"a PDU of {length} octets")
                if len(self._unread) - at < length:
                    break
                frame = bytes(self._unread[at : at + length])
                at += length
                self.received(self._header.read(frame))
        except Malformed as fault:
            self.hang_up(f"{GARBAGE}: {fault}")
        del self._unread[:at]

    def received(self, pdu: Pdu) -> None:
        """Act on a PDU; may raise Malformed, which ends the connection."""
        raise NotImplementedError

    def write(self, pdu: Pdu) -> None:
        """Send a PDU, unless the connection is gone."""
        if self._transport is not None:
            self._transport.write(self._header.pack(pdu))

    def hang_up(self, reason: str = "", *, politely: bool = False) -> None:
        """End the connection at once, or after what was written has left."""
        self.end = self.end or reason
        if self._transport is not None:
            if politely:
                self._transport.close()
            else:
                self._transport.abort()
            self._transport = None
