"""The history checker (核对): what holders were told, held against the books.

It works on plain values, so that its own tests can seed every fault that it must catch. An anomaly
begins with its kind, a word in capitals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ballots.log import tree
from ballots.log.commitment import Kind, code_of, entry
from drills.history import Answer, Choices, Said


@dataclass(frozen=True)
class Entered:
    """A ballot in the books."""

    holder: int
    shares: int
    choices: Choices
    commitment: bytes
    cast_at: float  # Unix seconds, by the database's clock


@dataclass(frozen=True)
class Books:
    """What the database says of one meeting."""

    ballots: list[Entered]
    # Kind, subject (the holder of a ballot) and commitment, in the order of their places.
    leaves: list[tuple[int, int, int, bytes]]  # place, kind, subject, commitment
    checkpoints: Mapping[int, bytes]  # root by size
    waiting: frozenset[bytes] = frozenset()  # commitments that are still in the queue
    closes_at: float = float("inf")
    seen: Mapping[int, bytes] = field(default_factory=dict)  # checkpoints of earlier checks


def anomalies(history: Iterable[tuple[int, list[Said]]], books: Books) -> list[str]:
    """All that contradicts: empty when every promise was kept.

    Ask it when the log has caught up and every holder without an answer has asked again.
    """
    tries = dict(history)
    return [
        *_of_holders(tries, books),
        *_of_ballots(tries, books),
        *_of_leaves(books),
        *_of_checkpoints(books),
    ]


def _of_holders(tries: Mapping[int, list[Said]], books: Books) -> Iterator[str]:
    """Nobody was told something that the books do not say."""
    entered: dict[int, list[Entered]] = {}
    for ballot in books.ballots:
        entered.setdefault(ballot.holder, []).append(ballot)
    for holder, all_said in tries.items():
        ballots = entered.get(holder, [])
        codes = {said.code for said in all_said if said.answer is Answer.ACKNOWLEDGED}
        told = [said for said in all_said if said.answer in (Answer.ACKNOWLEDGED, Answer.TOLD)]
        if told and not ballots:
            yield f"LOST: holder {holder} was told {told[0].answer} and has no ballot"
        if len(ballots) > 1:
            yield f"TWICE: holder {holder} has {len(ballots)} ballots"
        if len(codes) > 1:
            yield f"VANISHED: holder {holder} was shown {len(codes)} different codes"
        for code in codes - {code_of(ballot.commitment) for ballot in ballots}:
            yield f"VANISHED: the code {code} of holder {holder} stands for no ballot"
        if all_said[-1].answer not in (Answer.ACKNOWLEDGED, Answer.REFUSED):
            yield f"UNANSWERED: holder {holder} asked again and is still {all_said[-1].answer}"
        yield from _of_refusals(holder, all_said, ballots, books)


def _of_refusals(
    holder: int, all_said: list[Said], ballots: list[Entered], books: Books
) -> Iterator[str]:
    refused = [said for said in all_said if said.answer is Answer.REFUSED]
    if refused and ballots and len(refused) == len(all_said):
        yield f"REFUSED: holder {holder} was told that nothing was recorded, and has a ballot"
    for said in refused:
        if said.answered_at < books.closes_at < float("inf"):
            early = books.closes_at - said.answered_at
            yield f"EARLY: holder {holder} was refused {early:.3f} s before the close"


def _of_ballots(tries: Mapping[int, list[Said]], books: Books) -> Iterator[str]:
    """Nothing is in the books that nobody sent, and nothing was changed on the way."""
    for ballot in books.ballots:
        sent = [said for said in tries.get(ballot.holder, ()) if said.answer is not Answer.UNSENT]
        if not sent:
            yield f"STRANGER: a ballot of holder {ballot.holder}, who sent none"
            continue
        if all(dict(said.choices) != dict(ballot.choices) for said in sent):
            yield f"CHANGED: the choices of holder {ballot.holder} are not those that were sent"
        if sent[0].shares != ballot.shares:
            shares = f"{ballot.shares:,} shares, the register says {sent[0].shares:,}"
            yield f"CHANGED: the ballot of holder {ballot.holder} has {shares}"
        if ballot.cast_at > books.closes_at:
            late = ballot.cast_at - books.closes_at
            yield f"LATE: the ballot of holder {ballot.holder} is {late:.3f} s after the close"


def _of_leaves(books: Books) -> Iterator[str]:
    """Every ballot has one leaf, every leaf its place."""
    logged = Counter(
        (subject, commitment)
        for _place, kind, subject, commitment in books.leaves
        if kind == Kind.BALLOT
    )
    entered = {(ballot.holder, ballot.commitment) for ballot in books.ballots}
    for (holder, commitment), times in logged.items():
        if times > 1:
            yield f"TWICE: the ballot of holder {holder} stands {times} times in the log"
        if (holder, commitment) not in entered:
            yield f"FORK: the log has a ballot of holder {holder} that the books have not"
    for holder, commitment in entered - logged.keys():
        where = "still waits" if commitment in books.waiting else "is in no queue either"
        yield f"UNLOGGED: the ballot of holder {holder} is not in the log and {where}"
    places = [place for place, *_rest in books.leaves]
    if places != list(range(len(places))):
        yield f"GAP: the {len(places)} leaves of the log do not stand at 0 to {len(places) - 1}"


def _of_checkpoints(books: Books) -> Iterator[str]:
    """What was signed is what the leaves give, and what was signed before is signed still."""
    roots, growing = {}, tree.Tree()
    for _place, kind, _subject, commitment in books.leaves:
        growing.append(tree.leaf_hash(entry(kind, commitment)))
        if growing.size in books.checkpoints or growing.size in books.seen:
            roots[growing.size] = growing.root()
    for size, root in books.checkpoints.items():
        if roots.get(size) != root:
            yield f"FORK: the checkpoint of {size} leaves signs another tree"
    for size, root in books.seen.items():
        if books.checkpoints.get(size) != root:
            yield f"VANISHED: the checkpoint of {size} leaves is not what it was"
