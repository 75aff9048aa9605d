"""Opening leaves: each line of a bundle against its commitment, then into a drawer by its voter.

Drawers are files in a temporary folder, one for each first digit of a pseudonym: what one holder
said stands in one drawer, so each is settled by itself, in little memory (recounting.py).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from ballot_verifier import records
from ballot_verifier.bundle import ENTRY_SIZE
from ballot_verifier.findings import Findings
from ballot_verifier.records import BALLOT, HOLDER, OTHER

DRAWERS = "0123456789abcdef"
NOBODY = "-"  # the voter of a vote whose account is not on the register
OPENING, REGISTER, AGENDA = 2, 5, 6  # numbers of steps


@dataclass(frozen=True)
class Desk:
    """What every part of the work needs: the log's name, the agenda's hash, where drawers are,
    whether every leaf must be opened, and of whom the register's line is wanted."""

    origin: str
    agenda_hash: str
    folder: Path
    is_whole: bool
    wanted: frozenset[str] = frozenset()


@dataclass
class Opened:
    """What some lines held: how many, how many ballots; leaves that stand alone as (index, kind,
    line); leaf hashes and wanted lines of the register."""

    first: int = 0
    next_index: int = 0
    lines: int = 0
    special: list[tuple[int, int, bytes]] = field(default_factory=list)
    hashes: bytes = b""
    wanted: dict[str, tuple[str, str]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


class _Drawers:
    """Lines for the drawers, kept until the part is done and then appended at once."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk, self._name = desk, name
        self._lines: dict[str, list[bytes]] = {}

    def put(self, voter: str, line: bytes) -> None:
        drawer = DRAWERS[0] if voter == NOBODY else voter[0]
        self._lines.setdefault(drawer, []).append(line)

    def close(self, part: int) -> None:
        for drawer, lines in self._lines.items():
            path = self._desk.folder / f"{drawer}-{self._name}-{part:08d}"
            path.write_bytes(b"\n".join(lines) + b"\n")


def open_leaves(desk: Desk, part: int, first: int, entries: bytes, lines: bytes) -> Opened:
    """Open the leaves on these lines of openings.txt (step 2, and 6 for ballots).

    `entries` begin with that of index `first`. One that is left out is a failure where the bundle
    opens every leaf, as an auditor's does.
    """
    opened = Opened(first=first)
    ballots, others = _Drawers(desk, "ballots"), _Drawers(desk, "others")
    fail, expected = opened.findings.fail, first
    for line in lines.split(b"\n")[:-1]:
        opened.lines += 1
        match = records.OPENING.fullmatch(line)
        if match is None:
            fail(OPENING, "not_an_opening", expected)
            expected += 1
            continue
        index, record = int(match[1]), match[3]
        if index < expected:
            fail(OPENING, "out_of_order", index)
            continue
        if index > expected and desk.is_whole:
            fail(OPENING, "not_opened", expected, last=index - 1)
        expected = index + 1
        at = (index - first) * ENTRY_SIZE
        entry = entries[at : at + ENTRY_SIZE]
        if len(entry) < ENTRY_SIZE:
            fail(OPENING, "no_such_leaf", index)
            continue
        found = _read_leaf(desk, opened.findings, index, entry, match)
        if found is None:
            continue
        if entry[0] == BALLOT:
            _, agenda, voter, share_class, shares, votes, _, cast, seq = found.groups()
            if agenda.decode() != desk.agenda_hash:
                fail(AGENDA, "another_agenda", index)
            values = (match[1], voter, share_class, shares, votes, cast, seq)
            ballots.put(voter.decode(), b"\t".join(values))
        elif entry[0] == OTHER:
            others.put(found[5].decode(), match[1] + b"\t" + record)
        else:
            opened.special.append((index, entry[0], record))
    opened.next_index = expected
    ballots.close(part)
    others.close(part)
    return opened


def _read_leaf(
    desk: Desk, findings: Findings, index: int, entry: bytes, opening: re.Match[bytes]
) -> re.Match[bytes] | None:
    """The fields of the record that opens this entry; None where it is not of the entry's kind."""
    kind, record = entry[0], opening[3]
    if records.commitment(bytes.fromhex(opening[2].decode()), record) != entry[1:]:
        findings.fail(OPENING, "commitment_differs", index)
    form = records.FORMS.get(kind)
    found = form.fullmatch(record) if form and kind != HOLDER else None
    if found is None:
        findings.fail(OPENING, "not_of_its_kind", index, kind=records.KINDS.get(kind, kind))
    elif found[1].decode(errors="replace") != desk.origin:
        findings.fail(OPENING, "another_log", index)
    return found


def open_register(desk: Desk, part: int, first: int, lines: bytes) -> Opened:
    """Open the register's leaves on these lines of register.txt, for its root (step 5)."""
    opened = Opened(first=first)
    holders, hashes = _Drawers(desk, "holders"), []
    fail, sha256, expected = opened.findings.fail, hashlib.sha256, first
    form = records.FORMS[HOLDER]
    for line in lines.split(b"\n")[:-1]:
        opened.lines += 1
        match = records.OPENING.fullmatch(line)
        found = match and form.fullmatch(match[3])
        if match is None or found is None:
            fail(REGISTER, "not_a_holder", place=f"register.txt {expected}")
        elif int(match[1]) != expected:
            fail(REGISTER, "out_of_order", place=f"register.txt {match[1].decode()}")
        else:
            commitment = records.commitment(bytes.fromhex(match[2].decode()), match[3])
            hashes.append(sha256(b"\x00\x06" + commitment).digest())
            if found[1].decode(errors="replace") != desk.origin:
                fail(REGISTER, "another_log", place=f"register.txt {expected}")
            voter, kind, shares = found[2], found[3], found[4]
            holders.put(voter.decode(), b"\t".join((voter, kind, shares)))
            if voter.decode() in desk.wanted:
                values = kind.decode(), shares.decode(errors="replace")
                opened.wanted[voter.decode()] = values
        expected += 1
    opened.next_index = expected
    opened.hashes = b"".join(hashes)
    holders.close(part)
    return opened
