"""What a holder keeps: the promise (确认书) of a place in the log, and the proof (计入证明) of it.

Both can be checked without a bundle, with the log's key alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ballot_verifier import merkle, notes, records
from ballot_verifier.notes import BadNote, Checkpoint, Key

CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PROMISE = re.compile(
    r"([^\n]+)\nballot-log/v1 promise\ncommitment ([0-9a-f]{64})\n"
    r"cast ([0-9-]{10}T[0-9:.]{15}Z)\nlogged within 60 seconds\n"
)
MOST_BYTES = 1 << 20
MOST_HASHES = 64


@dataclass(frozen=True)
class Promise:
    """What the portal signed when the ballot was cast."""

    origin: str
    commitment: bytes
    cast_at: str

    @property
    def code(self) -> str:
        return code_of(self.commitment)


@dataclass(frozen=True)
class Proof:
    """Where a ballot stands in a signed tree; `record` is its text where the proof opens it."""

    checkpoint: Checkpoint
    index: int
    entry: bytes
    record: str

    @property
    def code(self) -> str:
        return code_of(self.entry[1:])


def code_of(commitment: bytes) -> str:
    """The confirmation code (确认码) of a commitment, in groups of four."""
    number = int.from_bytes(commitment[:10])
    letters = "".join(CODE_LETTERS[number >> shift & 31] for shift in range(75, -1, -5))
    return " ".join(letters[start : start + 4] for start in range(0, 16, 4))


def open_promise(data: bytes, keys: Iterable[Key]) -> Promise:
    """Check and read a promise, or raise BadNote."""
    match = PROMISE.fullmatch(notes.open_note(data, keys).text)
    if match is None:
        raise BadNote("not a promise")
    return Promise(match[1], bytes.fromhex(match[2]), match[3])


def open_proof(data: bytes, keys: Iterable[Key], *, promises: Sequence[Promise] = ()) -> Proof:
    """Check and read a proof: its checkpoint is signed, and the ballot's entry is in that tree.

    A proof that does not open the ballot proves the entry of one of these promises. BadNote where
    something does not hold.
    """
    if len(data) > MOST_BYTES:
        raise BadNote(f"longer than {MOST_BYTES} bytes")
    head, gap, note = data.partition(b"\n\n")
    if not gap:
        raise BadNote("not a proof: no checkpoint under an empty line")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadNote("not a proof") from None
    if lines.pop(0) != "c2sp.org/tlog-proof@v1" or not lines:
        raise BadNote("not a proof of the version that is known")
    record, entries = "", [bytes([records.BALLOT]) + p.commitment for p in promises]
    if lines[0].startswith("extra "):
        record, entry = _open_ballot(notes.decode_base64(lines.pop(0)[6:]))
        entries = [entry]
    if not lines or not re.fullmatch(rf"index {records.NUMBER}", lines[0]):
        raise BadNote("not a proof: no index")
    index, hashes = int(lines[0][6:]), [notes.decode_base64(line) for line in lines[1:]]
    if len(hashes) > MOST_HASHES or any(len(one) != merkle.HASH_SIZE for one in hashes):
        raise BadNote("not a proof: its hashes are no hashes")
    checkpoint = notes.open_checkpoint(note, keys)
    if not entries:
        raise BadNote("the proof does not open a ballot, and no promise was given with it")
    for entry in entries:
        if merkle.is_included(
            leaf=merkle.leaf_hash(entry),
            index=index,
            size=checkpoint.size,
            proof=hashes,
            root=checkpoint.root,
        ):
            return Proof(checkpoint, index, entry, record)
    raise BadNote("the ballot is not in the tree of the checkpoint at this index")


def _open_ballot(opening: bytes) -> tuple[str, bytes]:
    """The record that salt and record open, and its entry."""
    salt, record = opening[:16], opening[16:]
    line = record[:-1].replace(b"\n", b"\t")
    if not record.endswith(b"\n") or b"\t" in record:
        raise BadNote("what the proof opens is no record")
    if not records.FORMS[records.BALLOT].fullmatch(line):
        raise BadNote("what the proof opens is no ballot")
    entry = bytes([records.BALLOT]) + records.commitment(salt, line)
    return record.decode(errors="replace"), entry
