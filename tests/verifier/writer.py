"""A second writer of bundles, from the words of docs/ballot-log.md alone: it knows no server.

A `Book` is a meeting's log before it is sealed. Tests change the book (a server that lies) or the
files made of it (somebody who changes what was published).
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

START, BALLOT, CLOSE, OTHER, TALLY, HOLDER, KEY = range(1, 8)
LETTERS = {"FOR": "F", "AGAINST": "A", "ABSTAIN": "X"}
LOG_NAME = "vote.example.cn"
ORIGIN = f"{LOG_NAME}/m/123"
DAY = "2026-06-26"
POLLS = (f"{DAY}T01:15:00.000000Z", f"{DAY}T07:00:00.000000Z")
SEALED = f"{DAY}T07:00:01.104233Z"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def voter(name: str) -> str:
    """A pseudonym for a holder of a test."""
    return sha256(b"pseudonym " + name.encode())[:16].hex()


def salt(number: int, kind: int) -> bytes:
    return sha256(f"salt {kind} {number}".encode())[:16]


def root_of(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162 defines it, by splitting at the largest power of two."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def path_to(index: int, leaves: list[bytes]) -> list[bytes]:
    """The inclusion proof as RFC 9162 defines it."""
    if len(leaves) < 2:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_to(index, leaves[:split]), root_of(leaves[split:])]
    return [*path_to(index - split, leaves[split:]), root_of(leaves[:split])]


@dataclass(frozen=True)
class Signer:
    """A key that signs notes under a name."""

    name: str
    private_key: Ed25519PrivateKey
    type: int = 1

    @property
    def key(self) -> bytes:
        return bytes([self.type]) + self.private_key.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.key)[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.key).decode()}"

    def line(self, text: str, *, at: int = 1_782_000_000) -> str:
        message, time = text.encode(), b""
        if self.type == 4:
            message = f"cosignature/v1\ntime {at}\n".encode() + message
            time = at.to_bytes(8)
        signature = base64.b64encode(self.id + time + self.private_key.sign(message)).decode()
        return f"— {self.name} {signature}\n"


def signer(name: str, *, kind: int = 1, seed: str = "") -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(sha256((seed or name).encode())), kind)


LOG = signer(LOG_NAME)
NEXT_LOG = signer(LOG_NAME, seed="the next key")
SCRUTINEER = signer("scrutineer.example.cn", kind=4)


@dataclass(frozen=True)
class Leaf:
    kind: int
    record: str
    salt: bytes

    @property
    def entry(self) -> bytes:
        commitment = sha256(b"ballot-log/v1 commitment\n" + self.salt + self.record.encode())
        return bytes([self.kind]) + commitment

    def line(self, index: int) -> str:
        return f"{index}\t{self.salt.hex()}\t{self.record[:-1].replace(chr(10), chr(9))}\n"


def record(kind: str, *lines: tuple[str, object], origin: str = ORIGIN) -> str:
    pairs = [("log", origin), *lines]
    return f"ballot-log/v1 {kind}\n" + "".join(f"{name} {value}\n" for name, value in pairs)


def votes_text(votes: dict[str, Any]) -> str:
    """The `votes` of a record: sorted by number, opinions by letter."""

    def number(key: str) -> list[int]:
        return [int(part) for part in key.split(".")]

    def said(choice: Any) -> str:
        if isinstance(choice, str):
            return LETTERS[choice]
        if choice.keys() & LETTERS.keys():
            return ",".join(f"{letter}:{choice.get(name, 0)}" for name, letter in LETTERS.items())
        return ",".join(f"{key}:{choice[key]}" for key in sorted(choice, key=number))

    parts = [f"{key}={said(votes[key])}" for key in sorted(votes, key=number)]
    return ";".join(parts) or "-"


@dataclass
class Book:
    """A meeting's log before it is sealed; `records` are kind and text, without start and close."""

    agenda: dict[str, Any]
    holders: list[tuple[str, str, dict[str, int]]]  # pseudonym, kind, shares by class
    ballots: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    lists: dict[str, Any] = field(
        default_factory=lambda: {
            "format": "ballot-log/v1 lists",
            "recusals": {},
            "insiders": [],
            "concert_parties": {},
        }
    )
    totals: dict[str, Any] | None = None
    extra_leaves: list[Leaf] = field(default_factory=list)
    register_root: str = ""  # as the start record says it; blank for the true one
    agenda_in_start: str = ""
    polls: tuple[str, str] = POLLS

    @property
    def agenda_hash(self) -> str:
        return sha256(canonical(self.agenda)).hex()

    def change(self, **facts: dict[str, Any]) -> None:
        """Say something else of the agenda's meeting or policies; ballots are of the new agenda."""
        earlier = self.agenda_hash
        for part, changed in facts.items():
            self.agenda[part] |= changed
        self.ballots = [text.replace(earlier, self.agenda_hash) for text in self.ballots]

    def cast(
        self,
        name: str,
        votes: dict[str, Any],
        *,
        shares: int,
        share_class: str = "A",
        at: str = f"{DAY}T01:31:07.412345Z",
        seq: int = 0,
        agenda: str = "",
    ) -> None:
        """Add a ballot."""
        self.ballots.append(
            record(
                "ballot",
                ("agenda", agenda or self.agenda_hash),
                ("voter", voter(name)),
                ("class", share_class),
                ("shares", shares),
                ("votes", votes_text(votes)),
                ("level", 1),
                ("cast", at),
                ("seq", seq or len(self.ballots) + 1),
            )
        )

    def register(self) -> list[Leaf]:
        return [
            Leaf(
                HOLDER,
                record(
                    "holder",
                    ("voter", name),
                    ("kind", kind),
                    ("shares", ";".join(f"{c}={n}" for c, n in shares.items() if n) or "-"),
                ),
                salt(number, HOLDER),
            )
            for number, (name, kind, shares) in enumerate(self.holders)
        ]

    def leaves(self) -> list[Leaf]:
        root = root_of([sha256(b"\0" + leaf.entry) for leaf in self.register()]).hex()
        start = record(
            "start",
            ("agenda", self.agenda_in_start or self.agenda_hash),
            ("register", f"{len(self.holders)} {self.register_root or root}"),
        )
        close = record(
            "close",
            ("polls", " ".join(self.polls)),
            ("sealed", SEALED),
            ("ballots", len(self.ballots)),
        )
        texts = [(START, start), *((BALLOT, text) for text in self.ballots), (CLOSE, close)]
        texts += [(OTHER, text) for text in self.others]
        if self.totals is not None:
            tally = record(
                "tally",
                ("version", 1),
                ("lists", sha256(canonical(self.lists)).hex()),
                ("totals", sha256(canonical(self.totals)).hex()),
                ("asked", "operator:3"),
                ("opened", "operator:5"),
                ("at", f"{DAY}T08:20:11.000000Z"),
            )
            texts.append((TALLY, tally))
        leaves = [Leaf(kind, text, salt(n, kind)) for n, (kind, text) in enumerate(texts)]
        return leaves + self.extra_leaves


def checkpoint_text(entries: list[bytes]) -> str:
    root = root_of([sha256(b"\0" + entry) for entry in entries])
    return f"{ORIGIN}\n{len(entries)}\n{base64.b64encode(root).decode()}\n"


def checkpoints(entries: list[bytes], *, by: Signer = LOG, cosigner: Signer = SCRUTINEER) -> str:
    """A checkpoint of one leaf, one in the middle, and the last, which is cosigned."""
    sizes = sorted({1, len(entries) // 2 or 1, len(entries)})
    texts = [checkpoint_text(entries[:size]) for size in sizes]
    signed = [f"{text}\n{by.line(text)}" for text in texts]
    return "".join(signed) + cosigner.line(texts[-1])


def files_of(book: Book, *, kind: str = "auditor") -> dict[str, bytes]:
    """The files of a bundle without its manifest."""
    leaves = book.leaves()
    entries = [leaf.entry for leaf in leaves]
    shown = [
        (index, leaf)
        for index, leaf in enumerate(leaves)
        if kind == "auditor" or leaf.kind in {START, CLOSE, TALLY}
    ]
    files = {
        "keys.txt": f"{LOG.vkey}\n{SCRUTINEER.vkey}\n".encode(),
        "agenda.json": canonical(book.agenda),
        "checkpoints.txt": checkpoints(entries).encode(),
        "entries.bin": b"".join(entries),
        "openings.txt": "".join(leaf.line(index) for index, leaf in shown).encode(),
    }
    if kind == "auditor":
        lines = (leaf.line(index) for index, leaf in enumerate(book.register()))
        files["register.txt"] = "".join(lines).encode()
        files["lists.json"] = canonical(book.lists)
    if book.totals is not None:
        files["totals.json"] = canonical(book.totals)
    return files


def pack(files: dict[str, bytes], path: Path, *, kind: str = "auditor") -> Path:
    """Write a bundle with a manifest that fits these files."""
    manifest = {
        "format": "ballot-log/v1 bundle",
        "kind": kind,
        "origin": ORIGIN,
        "files": {
            name: {"size": len(data), "sha256": sha256(data).hex()} for name, data in files.items()
        },
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*files.items(), ("manifest.json", canonical(manifest))]:
            archive.writestr(name, data)
    return path


def promise(leaf: Leaf, *, by: Signer = LOG) -> bytes:
    """The confirmation that a holder keeps."""
    text = (
        f"{ORIGIN}\nballot-log/v1 promise\ncommitment {leaf.entry[1:].hex()}\n"
        f"cast {DAY}T01:31:07.412345Z\nlogged within 60 seconds\n"
    )
    return f"{text}\n{by.line(text)}".encode()


def proof(leaves: list[Leaf], index: int, *, opens: bool = True) -> bytes:
    """The inclusion proof that a holder keeps."""
    entries = [leaf.entry for leaf in leaves]
    hashes = path_to(index, [sha256(b"\0" + entry) for entry in entries])
    text = checkpoint_text(entries)
    extra = ""
    if opens:
        opening = leaves[index].salt + leaves[index].record.encode()
        extra = f"extra {base64.b64encode(opening).decode()}\n"
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
    return (
        f"c2sp.org/tlog-proof@v1\n{extra}index {index}\n{lines}\n{text}\n{LOG.line(text)}"
    ).encode()


def agenda(
    motions: Iterable[dict[str, Any]],
    *,
    classes: dict[str, dict[str, int]] | None = None,
    policies: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An agenda document; motions name only what is not usual."""
    share_classes = classes or {"A": {"capital": 1_000_000}}
    return {
        "format": "ballot-log/v1 agenda",
        "meeting": {
            "id": 123,
            "issuer": "上海虚构股份有限公司",
            "security_code": "600000",
            "title": "2026年第一次临时股东会",
            "meeting_date": DAY,
            "record_date": "2026-06-23",
            "is_rehearsal": False,
        },
        "policies": {
            "onsite_vote_start": "14:00:00",
            "closing_price": None,
            **(policies or {}),
        },
        "share_classes": [
            {"number": number, "code": code, "voteless_shares": 0, "votes_per_share": 1, **facts}
            for number, (code, facts) in enumerate(share_classes.items())
        ],
        "motions": [
            {
                "title": "议案",
                "kind": "PLAIN",
                "threshold": "ORDINARY",
                "share_classes": sorted(share_classes),
                "seats": 0,
                "candidates": [],
                "documents": [],
                "is_for_minority_count": False,
                "is_dividend": False,
                "exclusive_group": "",
                "has_dual_threshold": False,
                "has_class_threshold": False,
                "is_one_share_one_vote": False,
                "proposer": "BOARD",
                "proposer_name": "",
                "board_opinion": "",
                **motion,
            }
            for motion in motions
        ],
        "documents": [],
    }


def with_leaf(book: Book, kind: int, text: str) -> Book:
    """The book with one more leaf at the end of its log."""
    return replace(book, extra_leaves=[Leaf(kind, text, salt(10_000, kind))])


def lines_of(files: dict[str, bytes], name: str) -> Iterator[str]:
    yield from files[name].decode().splitlines(keepends=True)


def succession(old: Signer, new: Signer, *, origin: str = ORIGIN) -> Leaf:
    """The leaf by which one key hands over to another."""
    names = (("from", old.vkey), ("to", new.vkey), ("at", f"{DAY}T03:00:00.000000Z"))
    return Leaf(KEY, record("key", *names, origin=origin), salt(1, KEY))


def files_of_two_keys(
    book: Book,
    *,
    place: int,
    old: Signer = LOG,
    new: Signer = NEXT_LOG,
    leaf: Leaf | None = None,
    both: tuple[Signer, ...] = (),
) -> dict[str, bytes]:
    """The files of a bundle whose log went over to a new key with the leaf at this place; `both`
    are those who sign there."""
    leaves = book.leaves()
    leaves.insert(place, leaf or succession(old, new))
    entries = [leaf.entry for leaf in leaves]
    notes = ""
    for size in sorted({1, place - 1, place + 1, place + 2, len(entries)}):
        text = checkpoint_text(entries[:size])
        signers = (both or (old, new)) if size == place + 1 else (old if size <= place else new,)
        notes += f"{text}\n" + "".join(signer.line(text) for signer in signers)
    return {
        **files_of(book),
        "keys.txt": f"{old.vkey}\n{new.vkey}\n".encode(),
        "checkpoints.txt": notes.encode(),
        "entries.bin": b"".join(entries),
        "openings.txt": "".join(leaf.line(index) for index, leaf in enumerate(leaves)).encode(),
    }
