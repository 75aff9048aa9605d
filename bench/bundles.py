"""Large bundles of a made-up meeting, for bench/verify.py, written as docs/ballot-log.md says."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.verifier import writer
from tests.verifier.writer import BALLOT, CLOSE, HOLDER, LOG, ORIGIN, START, TALLY, Leaf, record

LETTERS = "FAX"
CAPITAL = 10**12
A_SECOND = 50  # ballots; a checkpoint a second is some 20,000 in a day's polls of a million


def _percent(part: int, base: int) -> str:
    return f"{part * 100 // base}.{part * 1_000_000 // base % 10_000:04d}"


class _Tree:
    """A tree that keeps a root for each power of two of its leaves, the largest first."""

    def __init__(self) -> None:
        self.size, self._roots = 0, list[bytes]()

    def append(self, entry: bytes) -> None:
        node, number = writer.sha256(b"\0" + entry), self.size
        while number % 2:
            node, number = writer.sha256(b"\1" + self._roots.pop() + node), number // 2
        self._roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        root = self._roots[-1]
        for left in self._roots[-2::-1]:
            root = writer.sha256(b"\1" + left + root)
        return root


class _Meeting:
    """So many holders who all vote; whatever differs between them comes from a hash."""

    def __init__(self, ballots: int, motions: int) -> None:
        self.ballots, self.motions = ballots, [f"{n}.00" for n in range(1, motions + 1)]
        motion_facts = [{"number": n, "is_for_minority_count": n == "1.00"} for n in self.motions]
        classes = {"A": {"capital": CAPITAL}}
        self.agenda = writer.agenda(motion_facts, classes=classes)
        self.agenda_hash = writer.sha256(writer.canonical(self.agenda)).hex()
        self.shares = 0
        self.said = {number: dict.fromkeys(LETTERS, 0) for number in self.motions}
        self.register = _Tree()
        self.log = _Tree()
        self.entries: list[bytes] = []
        self.checkpoints: list[str] = []

    def holders(self) -> Iterator[str]:
        for index in range(self.ballots):
            voter, shares, salt, _answers = self._holder(index)
            lines = (("voter", voter), ("kind", "I"), ("shares", f"A={shares}"))
            leaf = Leaf(HOLDER, record("holder", *lines), salt)
            self.register.append(leaf.entry)
            yield leaf.line(index)

    def openings(self) -> Iterator[str]:
        root = self.register.root().hex()
        start = (("agenda", self.agenda_hash), ("register", f"{self.ballots} {root}"))
        yield self._log(START, record("start", *start))
        for index in range(self.ballots):
            yield self._log(BALLOT, self._ballot(index))
        polls = ("polls", " ".join(writer.POLLS))
        yield self._log(
            CLOSE, record("close", polls, ("sealed", writer.SEALED), ("ballots", self.ballots))
        )
        self.lists = writer.Book(self.agenda, []).lists
        self.totals = self._totals()
        tally = (
            ("version", 1),
            ("lists", writer.sha256(writer.canonical(self.lists)).hex()),
            ("totals", writer.sha256(writer.canonical(self.totals)).hex()),
            ("asked", "operator:3"),
            ("opened", "operator:5"),
            ("at", f"{writer.DAY}T08:20:11.000000Z"),
        )
        yield self._log(TALLY, record("tally", *tally), is_signed=True)

    def _holder(self, index: int) -> tuple[str, int, bytes, str]:
        """Pseudonym, shares, salt, and an answer for every motion."""
        digest = hashlib.sha512(index.to_bytes(8)).digest()
        answers = "".join(LETTERS[byte % 3] for byte in digest[: len(self.motions)])
        return digest[32:48].hex(), 100 + digest[60] % 100, digest[48:64], answers

    def _ballot(self, index: int) -> str:
        voter, shares, _salt, answers = self._holder(index)
        self.shares += shares
        for number, letter in zip(self.motions, answers, strict=True):
            self.said[number][letter] += shares
        votes = ";".join(f"{n}={letter}" for n, letter in zip(self.motions, answers, strict=True))
        microseconds = 5_400_000_000 + index * 19_000_000_000 // self.ballots
        seconds, rest = divmod(microseconds, 1_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:06}"
        return record(
            "ballot",
            ("agenda", self.agenda_hash),
            ("voter", voter),
            ("class", "A"),
            ("shares", shares),
            ("votes", votes),
            ("level", 1),
            ("cast", f"{writer.DAY}T{clock}Z"),
            ("seq", index + 1),
        )

    def _log(self, kind: int, text: str, *, is_signed: bool = False) -> str:
        index = self.log.size
        leaf = Leaf(kind, text, hashlib.sha256(index.to_bytes(8)).digest()[:16])
        self.entries.append(leaf.entry)
        self.log.append(leaf.entry)
        if is_signed or index == 0 or (kind == BALLOT and index % A_SECOND == 0):
            root = base64.b64encode(self.log.root()).decode()
            note = f"{ORIGIN}\n{self.log.size}\n{root}\n"
            self.checkpoints.append(f"{note}\n{LOG.line(note)}")
        return leaf.line(index)

    def _totals(self) -> dict[str, Any]:
        ratio = _percent(self.shares, CAPITAL)
        present = {"holders": self.ballots, "votes": self.shares, "ratio": ratio}
        motions = {}
        for number, said in self.said.items():
            counts = [said[letter] for letter in LETTERS]
            figures = dict(zip(("for", "against", "abstain"), counts, strict=True))
            percents = _row(counts)
            names = ("for_pct", "against_pct", "abstain_pct")
            every = {**figures, **dict(zip(names, percents, strict=True))}
            is_carried = 2 * said["F"] > self.shares
            motions[number] = {
                "classes": {"A": every},
                "total": every,
                "excluded": [],
                "outcome": "passed" if is_carried else "rejected",
                **({"minority": every} if number == "1.00" else {}),
            }
        attendance = {**present, "classes": {"A": present}}
        return {"format": "ballot-log/v1 totals", "attendance": attendance, "motions": motions}


def _row(counts: list[int]) -> list[str]:
    """Cut off to four decimals; the last opinion that is not zero takes the rest of 100."""
    units = [count * 1_000_000 // sum(counts) for count in counts]
    last = max(place for place, count in enumerate(counts) if count)
    units[last] = 1_000_000 - sum(unit for place, unit in enumerate(units) if place != last)
    return [_percent(unit, 1_000_000) for unit in units]


def write_bundle(path: Path, *, ballots: int, motions: int) -> str:
    """Write an auditor bundle of so many ballots; returns the log's key."""
    meeting = _Meeting(ballots, motions)
    files: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def add(name: str, pieces: Iterable[str | bytes]) -> None:
            digest, size = hashlib.sha256(), 0
            with archive.open(name, "w", force_zip64=True) as file:
                for piece in pieces:
                    data = piece.encode() if isinstance(piece, str) else piece
                    digest.update(data)
                    size += file.write(data)
            files[name] = {"size": size, "sha256": digest.hexdigest()}

        add("register.txt", meeting.holders())
        add("openings.txt", meeting.openings())
        add("entries.bin", meeting.entries)
        add("checkpoints.txt", meeting.checkpoints)
        add("keys.txt", [f"{LOG.vkey}\n"])
        for name in ("agenda", "lists", "totals"):
            add(f"{name}.json", [writer.canonical(getattr(meeting, name))])
        manifest = {"format": "ballot-log/v1 bundle", "kind": "auditor", "origin": ORIGIN}
        add("manifest.json", [writer.canonical({**manifest, "files": dict(files)})])
    return LOG.vkey
