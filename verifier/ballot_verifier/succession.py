"""Step 1, once the leaves are open: by which key the log signed from where to where (换钥).

A key is followed by another only where a leaf names both and both have signed the checkpoint that
ends with that leaf. So nobody whom the old key has not named can go on with the log, and a new key
answers for everything before it. A key that is given by hand must be one of this chain; of several
that are given, the chain has no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from ballot_verifier import notes, records
from ballot_verifier.bundle import ENTRY_SIZE
from ballot_verifier.notes import Checkpoint, Key
from ballot_verifier.work import OPENINGS, SIGNATURES, Work


def check_keys(work: Work, signed: Sequence[Checkpoint]) -> None:
    """Find the chain of the log's keys, and hold every checkpoint against it."""
    _check_opened(work)
    if not signed:
        return
    by_size = {checkpoint.size: checkpoint for checkpoint in signed}
    known = {key.line: key for key in work.keys if key.type == notes.LOG}
    old = next(key for key in signed[0].signed_by if key.type == notes.LOG)
    chain, ends = [old], list[int]()
    for index, succession in work.successions:
        new, both = known.get(succession.new), by_size.get(index + 1)
        if new is None or new in chain or succession.old != old.line:
            work.fail(SIGNATURES, "another_succession", index)
        elif both is None or _signers(both) != {old, new}:
            work.fail(SIGNATURES, "not_handed_over", index, key=f"{new.name}+{new.id.hex()}")
        else:
            chain.append(new)
            ends.append(index + 1)
            old = new
    work.chain, work.ends = tuple(chain), tuple(ends)
    _check_ranges(work, signed)
    _check_given(work)


def _check_opened(work: Work) -> None:
    """Every change of keys in the log is opened, in a public bundle, too."""
    kinds, opened = work.entries[::ENTRY_SIZE], {index for index, _said in work.successions}
    index = kinds.find(records.KEY)
    while index >= 0:
        if index not in opened:
            work.fail(OPENINGS, "not_opened", index, last=index)
        index = kinds.find(records.KEY, index + 1)


def _check_ranges(work: Work, signed: Sequence[Checkpoint]) -> None:
    """Each checkpoint is signed by the key whose turn it is, and by no other of the log's."""
    place = 0
    for checkpoint in signed:
        while place < len(work.ends) and checkpoint.size > work.ends[place]:
            place += 1
        due = {work.chain[place]}
        if place < len(work.ends) and checkpoint.size == work.ends[place]:
            due.add(work.chain[place + 1])
        if _signers(checkpoint) != due:
            work.fail(SIGNATURES, "signed_by_another", checkpoint.size - 1)


def _check_given(work: Work) -> None:
    ours = tuple(key for key in work.ours if key.type == notes.LOG)
    if ours != work.chain:
        work.fail(SIGNATURES, "keys_differ", place="keys.txt")
    if not work.given:
        return
    if len(work.given) == 1:
        is_announced = work.given[0] in work.chain
    else:
        is_announced = work.chain == tuple(key for key in work.given if key in work.chain)
    if not is_announced:
        work.fail(SIGNATURES, "not_the_given_key")


def _signers(checkpoint: Checkpoint) -> set[Key]:
    return {key for key in checkpoint.signed_by if key.type == notes.LOG}
