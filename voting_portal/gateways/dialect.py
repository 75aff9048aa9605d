"""What a socket dialect has to say for itself, so that one kind of link serves them all.

A dialect turns messages into requests, answers into verdicts, and what the carrier asks of us into
receipts and replies. It knows no socket and keeps no state but its options.
"""

from __future__ import annotations

import abc
import itertools
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from voting_portal.gateways.protocol import Message, Outcome, ReceiptLine, Reply, Report
from voting_portal.gateways.wire import Header, Pdu

ONE_SEGMENT_OCTETS, PART_OCTETS = 140, 134  # UTF-16, of which a long message spares six a part
REPORT_TEXT = re.compile(
    rb"stat:([A-Z0-9:]{1,7})(?:.{0,20}?err:(\w{1,5}))?", re.DOTALL | re.IGNORECASE
)
PHONE = re.compile(r"\+?[0-9]{5,15}")
MOST_PARTS = 255

# A state by which carriers say that more will follow, or that they do not know themselves.
_NOT_FINAL = {"ACCEPTD", "ENROUTE", "UNKNOWN", "SCHEDUL", ""}


class Unsendable(Exception):
    """No telephone number, or no text that short messages can hold; the message is the reason."""


class LoginRefused(Exception):
    """The carrier knows neither us nor our secret; the message is its code."""


class Request(NamedTuple):
    """A PDU without its sequence number, which the link gives it."""

    command: int
    body: bytes = b""


class Verdict(NamedTuple):
    """What the carrier answered to one segment."""

    outcome: Outcome
    gateway_ref: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Heard:
    """What the carrier asked: our answer, and what it told us. `is_end`: it says good-bye."""

    answer: Request | None = None
    lines: Sequence[ReceiptLine | Reply] = ()
    is_end: bool = False
    is_login: bool = False
    status: int = 0  # of the answer, in a dialect whose header has one


class Dialect(abc.ABC):
    """One account's way of speaking. Times are in seconds.

    Options of all: `window`, the submits that may wait for an answer on one link, and
    `answer_seconds`, after which an unanswered link is given up.
    """

    header: Header = Header()
    probe_seconds = 180.0  # of silence, after which the link is tried
    # False: a link that idles is closed, and opened again when there is something to send.
    keeps_open = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.window = int(options.get("window", 16))
        self.answer_seconds = float(options.get("answer_seconds", 60))

    def sequences(self) -> Iterator[int | bytes]:
        """Numbers for requests, each once on a link."""
        return itertools.cycle(range(1, 2**31))

    @abc.abstractmethod
    def login(self, now: datetime) -> Request: ...

    @abc.abstractmethod
    def check_login(self, login: Request, answer: Pdu) -> None:
        """LoginRefused unless the carrier let us in."""

    @abc.abstractmethod
    def submits(self, message: Message) -> list[Request]:
        """One request a segment; Unsendable when it cannot be."""

    @abc.abstractmethod
    def verdict(self, answer: Pdu) -> Verdict:
        """What the answer to a submit means; Malformed when it is none."""

    def ref_without_answer(self, _sequence: int | bytes) -> str:
        """The name by which a receipt may still tell of an unanswered submit, or blank."""
        return ""

    @abc.abstractmethod
    def hear(self, request: Pdu) -> Heard:
        """A request of the carrier; Malformed when it is none."""

    @abc.abstractmethod
    def probe(self) -> Request | None:
        """What asks whether the carrier is still there."""

    @abc.abstractmethod
    def farewell(self) -> Request: ...


def digits(phone: str, *, prefix: str = "") -> str:
    """The number as the dialect wants it: without +, with the country where `prefix` says so."""
    if not PHONE.fullmatch(phone):
        raise Unsendable("BAD_NUMBER")
    bare = phone.removeprefix("+")
    return bare if bare.startswith(prefix) or phone.startswith("+") else prefix + bare


def cut(message: Message) -> list[bytes]:
    """The text in UTF-16, in parts that fit one short message each.

    Parts of a long one begin with six octets that join them: a reference, how many there are, and
    which this is. No character is cut in two.
    """
    encoded = message.text.encode("utf-16-be", "replace")
    if len(encoded) <= ONE_SEGMENT_OCTETS:
        return [encoded]
    parts, at = [], 0
    while at < len(encoded):
        end = min(at + PART_OCTETS, len(encoded))
        if end < len(encoded) and 0xD8 <= encoded[end - 2] <= 0xDB:
            end -= 2  # the first half of a pair goes with its second
        parts.append(encoded[at:end])
        at = end
    if len(parts) > MOST_PARTS:
        raise Unsendable("TOO_LONG")
    reference = zlib.crc32(message.ref.encode()) & 0xFF
    return [
        bytes((5, 0, 3, reference, len(parts), number)) + part
        for number, part in enumerate(parts, 1)
    ]


def written(content: bytes, coding: int, *, has_header: bool) -> str:
    """What a person wrote, from the octets of a short message in one of the carriers' codings."""
    if has_header and content:
        content = content[1 + content[0] :]
    encoding = {8: "utf-16-be", 15: "gb18030", 0: "ascii"}.get(coding & 0x0F, "latin-1")
    return content.decode(encoding, "replace")


def report_of(state: str) -> Report:
    """What a state means of the message; NETWORK when it decides nothing."""
    if state in _NOT_FINAL:
        return Report.NETWORK
    return {"DELIVRD": Report.DELIVERED, "EXPIRED": Report.UNREACHED}.get(state, Report.FAILED)


def receipt_line(gateway_ref: str, state: str, *, code: str = "", phone: str = "") -> ReceiptLine:
    report = report_of(state)
    reason = "" if report is Report.DELIVERED else f"{state} {code}".strip()
    return ReceiptLine("", report, reason, gateway_ref=gateway_ref, phone=phone)


def state_in(text: bytes) -> tuple[str, str]:
    """State and error code in a report's text; the id is not looked for here: it may be octets."""
    found = REPORT_TEXT.search(text)
    if found is None:
        return "", ""
    return found[1].decode().upper(), (found[2] or b"").decode()
