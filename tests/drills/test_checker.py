"""The history checker catches every fault that it exists for: each is seeded, one at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from ballots.log import tree
from ballots.log.commitment import Kind, code_of, entry
from drills import messages
from drills.checker import Books, Entered, anomalies
from drills.history import Answer, History, Said

CHOICES = {"1.00": "FOR", "2.00": "AGAINST", "8.00": {"8.01": 300}}
HOLDERS = (11, 12, 13)
CLOSES_AT = 2_000.0


def commitment(holder):
    return hashlib.sha256(str(holder).encode()).digest()


def said(holder, answer=Answer.ACKNOWLEDGED, **others):
    code = code_of(commitment(holder)) if answer is Answer.ACKNOWLEDGED else ""
    return Said(holder, 100, answer, CHOICES, 1_000.0, 1_000.5, **{"code": code, **others})


def books_of(*holders, **others):
    """Books without a fault: a ballot, a leaf for each, and a checkpoint over all."""
    ballots = [Entered(h, 100, CHOICES, commitment(h), 1_000.2) for h in holders]
    leaves = [(0, Kind.START, 1, bytes(32))]
    leaves += [(n, Kind.BALLOT, h, commitment(h)) for n, h in enumerate(holders, start=1)]
    return Books(**{"ballots": ballots, "leaves": leaves, "checkpoints": signed(leaves), **others})


def signed(leaves):
    growing = tree.Tree()
    for _place, kind, _subject, committed in leaves:
        growing.append(tree.leaf_hash(entry(kind, committed)))
    return {growing.size: growing.root()}


def kinds(history, books):
    return {fault.partition(":")[0] for fault in anomalies(history.items(), books)}


@pytest.fixture
def history():
    return {holder: [said(holder)] for holder in HOLDERS}


def test_books_that_say_what_was_told_have_no_anomaly(history):
    history[14] = [said(14, Answer.UNKNOWN), said(14)]
    history[15] = [said(15, Answer.REFUSED)]

    assert anomalies(history.items(), books_of(*HOLDERS, 14)) == []


def test_a_lost_ballot_is_caught(history):
    assert kinds(history, books_of(11, 12)) == {"LOST", "VANISHED"}


def test_a_lost_ballot_is_caught_though_only_the_redirect_was_seen(history):
    history[14] = [said(14, Answer.TOLD)]

    assert kinds(history, books_of(*HOLDERS)) == {"LOST", "UNANSWERED"}


def test_a_second_ballot_of_a_holder_is_caught(history):
    books = books_of(*HOLDERS)
    books.ballots.append(replace(books.ballots[0], commitment=bytes(32)))

    assert "TWICE" in kinds(history, books)


def test_two_receipts_for_one_holder_are_caught(history):
    history[11].append(said(11, code="0000000000000000"))

    assert kinds(history, books_of(*HOLDERS)) == {"VANISHED"}


def test_a_receipt_that_stands_for_nothing_any_more_is_caught(history):
    books = books_of(*HOLDERS)
    books.ballots[0] = replace(books.ballots[0], commitment=commitment("another"))

    assert "VANISHED" in kinds(history, books)


@pytest.mark.parametrize(
    "change", [{"choices": {**CHOICES, "1.00": "AGAINST"}}, {"choices": {}}, {"shares": 101}]
)
def test_a_changed_ballot_is_caught(history, change):
    books = books_of(*HOLDERS)
    books.ballots[1] = replace(books.ballots[1], **change)

    assert kinds(history, books) == {"CHANGED"}


def test_a_ballot_that_nobody_sent_is_caught(history):
    history[14] = [said(14, Answer.UNSENT), said(14, Answer.REFUSED)]

    assert "STRANGER" in kinds(history, books_of(*HOLDERS, 13_000))
    assert "REFUSED" not in kinds(history, books_of(*HOLDERS))


def test_a_ballot_of_somebody_who_was_told_that_nothing_was_recorded_is_caught(history):
    history[14] = [said(14, Answer.REFUSED)]

    assert kinds(history, books_of(*HOLDERS, 14)) == {"REFUSED"}


def test_a_holder_who_never_got_an_answer_is_named(history):
    history[14] = [said(14, Answer.UNKNOWN), said(14, Answer.UNKNOWN)]

    assert kinds(history, books_of(*HOLDERS, 14)) == {"UNANSWERED"}


def test_the_close_cuts_neither_late_nor_early(history):
    books = books_of(*HOLDERS, closes_at=CLOSES_AT)
    books.ballots[0] = replace(books.ballots[0], cast_at=CLOSES_AT + 0.001)
    history[14] = [replace(said(14, Answer.REFUSED), answered_at=CLOSES_AT - 0.001)]
    history[15] = [replace(said(15, Answer.REFUSED), answered_at=CLOSES_AT + 0.001)]

    found = anomalies(history.items(), books)

    assert [fault.split()[:3] for fault in found] == [
        ["EARLY:", "holder", "14"],
        ["LATE:", "the", "ballot"],
    ]


def test_a_ballot_that_is_not_in_the_log_is_caught(history):
    books = books_of(*HOLDERS)
    books.leaves.pop()

    assert kinds(history, books) == {"UNLOGGED", "FORK"}


def test_a_ballot_that_is_twice_in_the_log_is_caught(history):
    leaves = books_of(*HOLDERS).leaves
    leaves = [*leaves, (len(leaves), Kind.BALLOT, 11, commitment(11))]

    books = books_of(*HOLDERS, leaves=leaves, checkpoints=signed(leaves))

    assert kinds(history, books) == {"TWICE"}


def test_a_leaf_without_a_ballot_is_caught(history):
    books = books_of(*HOLDERS)
    del books.ballots[0], history[11]

    assert kinds(history, books) == {"FORK"}


def test_a_gap_in_the_log_is_caught(history):
    leaves = books_of(*HOLDERS).leaves
    leaves[-1] = (len(leaves), *leaves[-1][1:])

    assert "GAP" in kinds(history, books_of(*HOLDERS, leaves=leaves))


def test_a_checkpoint_over_other_leaves_is_caught(history):
    assert kinds(history, books_of(*HOLDERS, checkpoints={4: bytes(32)})) == {"FORK"}


def test_a_checkpoint_that_was_seen_and_is_gone_is_caught(history):
    books = books_of(*HOLDERS)

    assert kinds(history, replace(books, seen=books.checkpoints)) == set()
    assert kinds(history, replace(books, seen={2: bytes(32)})) == {"VANISHED"}


def test_a_history_counts_holders_and_is_written_as_it_grows(tmp_path):
    history = History(tmp_path / "history.jsonl")
    history.add(said(11, Answer.UNKNOWN, drill="kill"))
    history.add(said(11, drill="kill"))
    history.add(said(12, drill="other"))
    history.close()

    assert history.count(Answer.ACKNOWLEDGED) == 2
    assert history.count(Answer.ACKNOWLEDGED, drill="kill") == 1
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("states", "arrived", "found"),
    [
        ({1: "DELIVERED", 2: "FAILED", 3: "UNKNOWN"}, {1: 1}, []),
        ({1: "DELIVERED"}, {1: 2}, ["TWICE"]),
        ({1: "ACCEPTED"}, {}, ["LOST"]),
        ({1: "QUEUED"}, {}, ["FORGOTTEN"]),
        ({1: "SENDING"}, {1: 1}, ["FORGOTTEN"]),
        ({1: "UNKNOWN", 3: "UNKNOWN"}, {}, ["FORGOTTEN"]),
        ({1: "DELIVERED"}, {1: 1, 4: 1}, ["STRANGER"]),
    ],
)
def test_messages_that_came_twice_or_never_are_caught(states, arrived, found):
    faults = messages.anomalies(
        states, Counter(arrived), reachable=frozenset({1, 3}), most_unknown=1
    )

    assert [fault.partition(":")[0] for fault in faults] == found
