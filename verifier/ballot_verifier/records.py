"""The records (记录) of the log as they are written: one form a kind, read strictly.

A record is a text of lines; in a bundle it stands on one line, with tabs for the line ends but the
last. Everything here is about such a line, without its own end.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ballot_verifier.judging import Choice

START, BALLOT, CLOSE, OTHER, TALLY, HOLDER, KEY = range(1, 8)
KINDS = {
    START: "start",
    BALLOT: "ballot",
    CLOSE: "close",
    OTHER: "other",
    TALLY: "tally",
    HOLDER: "holder",
    KEY: "key",
}
COMMITMENT = b"ballot-log/v1 commitment\n"

NUMBER = r"(0|[1-9][0-9]{0,18})"
HASH = r"([0-9a-f]{64})"
VOTER = r"([0-9a-f]{32})"
TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"
WORD = r"([^\t\n]+)"


def _form(kind: int, *lines: str) -> re.Pattern[bytes]:
    head = (f"ballot-log/v1 {KINDS[kind]}", rf"log {WORD}")
    return re.compile("\t".join((*head, *lines)).encode())


FORMS = {
    START: _form(START, f"agenda {HASH}", f"register {NUMBER} {HASH}"),
    BALLOT: _form(
        BALLOT,
        f"agenda {HASH}",
        f"voter {VOTER}",
        f"class {WORD}",
        f"shares {NUMBER}",
        f"votes {WORD}",
        f"level {NUMBER}",
        f"cast {TIME}",
        f"seq {NUMBER}",
    ),
    CLOSE: _form(CLOSE, f"polls {TIME} {TIME}", f"sealed {TIME}", f"ballots {NUMBER}"),
    OTHER: _form(
        OTHER,
        f"file {HASH}",
        "channel (TRADING|INTERNET|ONSITE)",
        f"row {NUMBER}",
        "voter ([0-9a-f]{32}|-)",
        f"class {WORD}",
        f"shares {NUMBER}",
        f"declared ({NUMBER[1:-1]}|-)",
        f"votes {WORD}",
        f"at {TIME}",
        f"seq {NUMBER}",
        "effect (COUNTS|NOTHING|ADMITTED|LISTED)",
        f"reasons {WORD}",
        f"invalid {WORD}",
    ),
    TALLY: _form(
        TALLY,
        f"version {NUMBER}",
        f"lists {HASH}",
        f"totals {HASH}",
        f"asked {WORD}",
        f"opened {WORD}",
        f"at {TIME}",
    ),
    HOLDER: _form(HOLDER, f"voter {VOTER}", "kind ([IONV])", f"shares {WORD}"),
    KEY: _form(KEY, f"from {WORD}", f"to {WORD}", f"at {TIME}"),
}
OPENING = re.compile(rf"{NUMBER}\t([0-9a-f]{{32}})\t(.*)".encode(), re.DOTALL)
OPINIONS = {"F": "FOR", "A": "AGAINST", "X": "ABSTAIN"}
PART = re.compile(rf"([0-9.]+|[FAX]):{NUMBER}", re.ASCII)


class BadRecord(Exception):
    """A record is not written as its kind is."""


@dataclass(frozen=True, slots=True)
class Start:
    origin: str
    agenda: str  # hex, as all hashes here
    holders: int
    register_root: str


@dataclass(frozen=True, slots=True)
class Close:
    """The polls' window and seal, as UTC texts that sort like times, and the number of ballots."""

    origin: str
    polls_open_at: str
    polls_close_at: str
    sealed_at: str
    ballots: int


@dataclass(frozen=True, slots=True)
class Tally:
    origin: str
    version: int
    lists: str
    totals: str
    asked_by: str
    opened_by: str
    at: str


@dataclass(frozen=True, slots=True)
class Succession:
    """One log key hands over to another; both as they are written in one line."""

    origin: str
    old: str
    new: str
    at: str


def read_start(line: bytes) -> Start:
    """Each reader raises BadRecord for a line that is not of its form."""
    origin, agenda, holders, root = texts(START, line)
    return Start(origin, agenda, int(holders), root)


def read_close(line: bytes) -> Close:
    origin, opened, closed, sealed, ballots = texts(CLOSE, line)
    return Close(origin, opened, closed, sealed, int(ballots))


def read_tally(line: bytes) -> Tally:
    origin, version, *rest = texts(TALLY, line)
    return Tally(origin, int(version), *rest)


def read_succession(line: bytes) -> Succession:
    return Succession(*texts(KEY, line))


def commitment(salt: bytes, line: bytes) -> bytes:
    """The commitment to a record, from its line in a bundle."""
    return hashlib.sha256(COMMITMENT + salt + line.replace(b"\t", b"\n") + b"\n").digest()


def read_choices(text: str) -> dict[str, Choice]:
    """By motion what was said, from a record's `votes`; BadRecord when it is not written so."""
    choices: dict[str, Choice] = {}
    for part in text.split(";") if text != "-" else ():
        number, equals, said = part.partition("=")
        if not equals or number in choices:
            raise BadRecord("votes")
        choices[number] = OPINIONS[said] if said in OPINIONS else _read_parts(said)
    return choices


def read_shares(text: str) -> dict[str, int]:
    """Shares by class, from a holder's record."""
    shares: dict[str, int] = {}
    for part in text.split(";") if text != "-" else ():
        code, equals, number = part.partition("=")
        if not equals or code in shares or not re.fullmatch(NUMBER, number, re.ASCII):
            raise BadRecord("shares")
        shares[code] = int(number)
    return shares


def read_pairs(text: str) -> dict[str, str]:
    """Motion and reason, from another channel's `invalid`."""
    pairs = [part.partition("=") for part in text.split(";")] if text != "-" else []
    return {number: reason for number, _equals, reason in pairs}


def texts(kind: int, line: bytes) -> tuple[str, ...]:
    """The values of a record of this kind in their order, or BadRecord."""
    match = FORMS[kind].fullmatch(line)
    if match is None:
        raise BadRecord(KINDS[kind])
    try:
        return tuple(group.decode() for group in match.groups())
    except UnicodeDecodeError:
        raise BadRecord(KINDS[kind]) from None


def _read_parts(said: str) -> dict[str, int]:
    parts: dict[str, int] = {}
    for part in said.split(",") if said else ():
        match = PART.fullmatch(part)
        if match is None:
            raise BadRecord("votes")
        key = OPINIONS.get(match[1], match[1])
        if key in parts:
            raise BadRecord("votes")
        parts[key] = int(match[2])
    return parts
