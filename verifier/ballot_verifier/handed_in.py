"""Step 9: promises and proofs that holders hand in, against the log of the bundle."""

from __future__ import annotations

from collections.abc import Iterable

from ballot_verifier import proofs, records
from ballot_verifier.bundle import ENTRY_SIZE
from ballot_verifier.notes import BadNote
from ballot_verifier.work import PROMISES, Work


def check_promises(
    work: Work,
    promises: Iterable[tuple[str, bytes]],
    held_proofs: Iterable[tuple[str, bytes]],
) -> None:
    """Step 9: what holders hand in is signed by the log's key, and in the log."""
    opened: list[proofs.Promise] = []
    for name, data in promises:
        work.looked_at(PROMISES)
        try:
            promise = proofs.open_promise(data, work.chain)
        except BadNote as error:
            work.fail(PROMISES, "bad_promise", place=name, why=error)
            continue
        opened.append(promise)
        entry = bytes([records.BALLOT]) + promise.commitment
        if promise.origin != work.origin:
            work.fail(PROMISES, "another_log", place=name)
        elif _index_of(work, entry) is None:
            work.fail(PROMISES, "promise_broken", place=name, code=promise.code)
    for name, data in held_proofs:
        work.looked_at(PROMISES)
        try:
            proof = proofs.open_proof(data, work.chain, promises=opened)
        except BadNote as error:
            work.fail(PROMISES, "bad_proof", place=name, why=error)
            continue
        at = proof.index * ENTRY_SIZE
        if proof.checkpoint.origin != work.origin:
            work.fail(PROMISES, "another_log", place=name)
        elif work.entries[at : at + ENTRY_SIZE] != proof.entry:
            work.fail(PROMISES, "another_tree", proof.index, place=name)


def _index_of(work: Work, entry: bytes) -> int | None:
    at = work.entries.find(entry)
    while at >= 0 and at % ENTRY_SIZE:
        at = work.entries.find(entry, at + 1)
    return at // ENTRY_SIZE if at >= 0 else None
