"""Steps 1 and 3: what the log signed of itself, and that its entries are what it signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ballot_verifier import merkle, notes, records
from ballot_verifier.bundle import ENTRY_SIZE, Unreadable
from ballot_verifier.crew import Crew
from ballot_verifier.notes import BadNote, Checkpoint, Key
from ballot_verifier.work import SIGNATURES, TREE, Work

# start, ballots, close, then votes of other channels and tallies; a change of keys anywhere.
ORDER_OF_KINDS = re.compile(rb"\x01[\x02\x07]*\x03[\x04\x05\x07]*")
NOTES_AT_A_TIME = 200


def read_checkpoints(work: Work, crew: Crew) -> Iterator[Checkpoint]:
    """Step 1: all signed checkpoints, of one log, each larger than the one before."""
    size, origin, number = 0, "", 0
    parts = ((part, work.keys) for part in _several(_notes(work), NOTES_AT_A_TIME))
    for opened in crew.each(_open_checkpoints, parts):
        for checkpoint in opened:
            number += 1
            place = f"checkpoints.txt {number}"
            if isinstance(checkpoint, str):
                work.fail(SIGNATURES, "bad_checkpoint", place=place, why=checkpoint)
                continue
            if origin and checkpoint.origin != origin:
                work.fail(SIGNATURES, "another_log", place=place)
                continue
            origin = checkpoint.origin
            if checkpoint.size <= size:
                work.fail(SIGNATURES, "size_not_larger", place=place)
                continue
            if size == 0 and checkpoint.size != 1:
                work.fail(SIGNATURES, "no_first_checkpoint", place=place)
            size = checkpoint.size
            yield checkpoint
    if not number:
        work.fail(SIGNATURES, "no_checkpoint", place="checkpoints.txt")
    work.looked_at(SIGNATURES, number)


def check_tree(work: Work, checkpoints: list[Checkpoint]) -> None:
    """Step 3: every checkpoint's root is that of so many entries, which stand in order."""
    kinds = work.entries[::ENTRY_SIZE]
    if not ORDER_OF_KINDS.fullmatch(kinds):
        match = re.match(rb"\x01[\x02\x07]*(\x03[\x04\x05\x07]*)?", kinds)
        work.fail(TREE, "kinds_out_of_order", match.end() if match else 0)
    ballots = kinds.count(bytes([records.BALLOT]))
    if work.close is not None and work.close.ballots != ballots:
        work.fail(TREE, "ballots_differ", found=ballots, expected=work.close.ballots)
    signed = {checkpoint.size: checkpoint for checkpoint in checkpoints}
    last = max(signed, default=0)
    if last != work.leaves:
        work.fail(TREE, "size_differs", found=work.leaves, expected=last)
    leaves = (
        merkle.leaf_hash(work.entries[at : at + ENTRY_SIZE])
        for at in range(0, len(work.entries), ENTRY_SIZE)
    )
    sizes = sorted(size for size in signed if size <= work.leaves)
    for size, root in merkle.roots_at(leaves, sizes):
        if root != signed[size].root:
            work.fail(TREE, "root_differs", size - 1, size=size)
    work.looked_at(TREE, work.leaves)
    work.figures |= {
        "ballots": ballots,
        "others": kinds.count(bytes([records.OTHER])),
    }


def _notes(work: Work) -> Iterator[bytes]:
    """The notes of checkpoints.txt: text up to an empty line, then lines of signatures."""
    note: list[bytes] = []
    is_signed = False
    for block in work.bundle.lines("checkpoints.txt"):
        for line in block.split(b"\n")[:-1]:
            if is_signed and not line.startswith("— ".encode()):
                yield b"\n".join([*note, b""])
                note, is_signed = [], False
            is_signed = is_signed or (line.startswith("— ".encode()) and b"" in note)
            note.append(line)
            if len(note) > 3 + 1 + notes.MOST_SIGNATURES:
                raise Unreadable("checkpoints.txt: a checkpoint with too many lines")
    if note:
        yield b"\n".join([*note, b""])


def _open_checkpoints(data: Sequence[bytes], keys: Sequence[Key]) -> list[Checkpoint | str]:
    """Checkpoints, or in their place why they are none."""
    opened: list[Checkpoint | str] = []
    for note in data:
        try:
            opened.append(notes.open_checkpoint(note, keys))
        except BadNote as error:
            opened.append(str(error))
    return opened


def _several(items: Iterable[bytes], number: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for item in items:
        part.append(item)
        if len(part) == number:
            yield part
            part = []
    if part:
        yield part
