"""What waits becomes leaves: all of it, once, in an order that nobody can change afterwards."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.log import commitment, notes, proofs, sequencer, tree
from ballots.log.ballots import salt_and_record
from ballots.log.commitment import Kind
from ballots.log.growing import checkpoint_text
from ballots.log.starting import start_due
from ballots.models import Ballot, Checkpoint, LogLeaf, MeetingLog, QueuedEntry
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.log_keys import log_signer
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
WHOLE = {"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 300, "3.02": 0}}


@pytest.fixture
def meeting():
    return make_meeting()


def cast(meeting, number=1):
    agenda = read_agenda(meeting.pk)
    ballots = []
    for _ in range(number):
        holder = make_holder(meeting)
        ballots.append(
            cast_ballot(
                entitlement=read_entitlement(holder.pk, 0),
                agenda=agenda,
                share_class=0,
                choices=WHOLE,
                level=1,
            )
        )
    return ballots


def log_everything(limit=sequencer.BATCH):
    start_due()
    while sequencer.sequence(limit=limit):
        pass


def kinds(meeting):
    leaves = LogLeaf.objects.of_meeting(meeting.pk).order_by("id")
    return [Kind(kind).name for kind in leaves.values_list("kind", flat=True)]


def entries(meeting):
    leaves = LogLeaf.objects.of_meeting(meeting.pk).order_by("id")
    return [commitment.entry(leaf.kind, bytes(leaf.commitment)) for leaf in leaves]


def root(leaves):
    grown = tree.Tree()
    for leaf in leaves:
        grown.append(tree.leaf_hash(leaf))
    return grown.root()


def assert_whole(meeting):
    """Dense places, a state that is the leaves', and every checkpoint a signed prefix of them."""
    leaves, started = entries(meeting), MeetingLog.objects.get(pk=meeting.pk)
    places = LogLeaf.objects.of_meeting(meeting.pk).order_by("id").values_list("id", flat=True)
    assert [place & (2**33 - 1) for place in places] == list(range(len(leaves)))
    assert started.size == len(leaves)
    key = notes.NoteKey(log_signer(1).name, log_signer(1).public)
    checkpoints = list(Checkpoint.objects.of_meeting(meeting.pk).order_by("id"))
    for checkpoint in checkpoints:
        assert bytes(checkpoint.root) == root(leaves[: checkpoint.size])
        text = checkpoint_text(started.origin, checkpoint.size, bytes(checkpoint.root))
        assert notes.is_signed(text, key, bytes(checkpoint.signature))
    assert [c.size for c in checkpoints][:1] == [1]
    assert checkpoints[-1].size == len(leaves)


def test_a_ballot_and_its_entry_in_the_queue_are_there_together(meeting):
    (ballot,) = cast(meeting)

    waiting = QueuedEntry.objects.get()

    assert (waiting.meeting_id, waiting.kind) == (meeting.pk, Kind.BALLOT)
    assert (waiting.subject, bytes(waiting.commitment)) == (ballot.pk, bytes(ballot.commitment))


def test_a_refused_ballot_leaves_no_entry(meeting):
    (first,) = cast(meeting)
    agenda = read_agenda(meeting.pk)
    stale = read_entitlement(first.holder_id, 0)
    stale = type(stale)(stale.holder, stale.recused, {})

    with pytest.raises(Exception, match="ALREADY_VOTED"):
        cast_ballot(entitlement=stale, agenda=agenda, share_class=0, choices=WHOLE, level=1)

    assert QueuedEntry.objects.count() == 1


def test_what_the_database_hashed_is_what_opens_the_ballot(meeting):
    (ballot,) = cast(meeting)
    stored = Ballot.objects.get()

    salt, record = salt_and_record(stored, read_agenda(meeting.pk))

    assert commitment.commit(salt, record) == bytes(stored.commitment)
    assert b"votes 1.00=F;2.00=A;3.00=3.01:300\n" in record
    assert ballot.code == stored.code == commitment.code_of(bytes(stored.commitment))


def test_a_replayed_ballot_opens_too(meeting):
    at = meeting.polls_open_at + timedelta(milliseconds=1)
    holder = make_holder(meeting)

    cast_ballot(
        entitlement=read_entitlement(holder.pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices=WHOLE,
        level=1,
        at=at,
        seq=7,
    )

    stored = Ballot.objects.get()
    salt, record = salt_and_record(stored, read_agenda(meeting.pk))
    assert record.endswith(b"\nseq 7\n")
    assert commitment.commit(salt, record) == bytes(stored.commitment)


def test_every_ballot_becomes_one_leaf_in_the_order_of_the_queue(meeting):
    ballots = cast(meeting, 7)

    log_everything(limit=3)

    leaves = LogLeaf.objects.of_meeting(meeting.pk).order_by("id")[1:]
    assert [leaf.subject for leaf in leaves] == [ballot.pk for ballot in ballots]
    assert not QueuedEntry.objects.exists()
    assert_whole(meeting)


def test_logs_of_meetings_grow_apart(meeting):
    other = make_meeting()
    for _ in range(2):
        cast(meeting, 2)
        cast(other)

    log_everything(limit=4)

    assert (len(entries(meeting)), len(entries(other))) == (5, 3)
    assert_whole(meeting)
    assert_whole(other)


def test_the_close_comes_after_the_last_ballot_and_is_signed(meeting):
    cast(meeting, 5)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    start_due()
    for _batch in range(2):
        sequencer.sequence(limit=2)
    before = kinds(meeting)
    log_everything()

    assert before == ["START", *["BALLOT"] * 4]
    assert kinds(meeting) == ["START", *["BALLOT"] * 5, "CLOSE"]
    started = MeetingLog.objects.get(pk=meeting.pk)
    assert (started.closed_size, started.ballots) == (7, 5)
    assert_whole(meeting)


def test_the_close_is_logged_once(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    for _ in range(3):
        log_everything()

    assert kinds(meeting) == ["START", "CLOSE"]


def test_no_ballot_is_logged_after_the_close(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    log_everything()
    sequencer.queue(meeting.pk, [(Kind.BALLOT, 1, bytes(32))])

    with pytest.raises(RuntimeError, match="no leaf of kind BALLOT"), transaction.atomic():
        sequencer.sequence()

    assert kinds(meeting) == ["START", "CLOSE"]


def test_a_meeting_whose_holders_are_not_invited_has_no_log():
    make_meeting(state="MOTIONS_CONFIRMED")

    log_everything()

    assert not MeetingLog.objects.exists()


def test_the_register_is_bound_before_anybody_votes():
    now = timezone.now()
    meeting = make_meeting(
        state="INVITED",
        polls_open_at=now + timedelta(hours=1),
        polls_close_at=now + timedelta(hours=2),
    )
    make_holder(meeting)
    make_holder(meeting, shares=5, kind="N")

    log_everything()

    started = MeetingLog.objects.get(pk=meeting.pk)
    assert (started.holders, started.size) == (2, 1)
    assert_whole(meeting)


def test_another_share_another_root():
    roots = []
    for shares in (100, 101):
        meeting = make_meeting(state="INVITED")
        make_holder(meeting, shares=shares)
        log_everything()
        roots.append(bytes(MeetingLog.objects.get(pk=meeting.pk).register_root))

    assert roots[0] != roots[1]


@pytest.mark.parametrize("table", ["ballots_logleaf", "ballots_checkpoint"])
def test_the_log_is_append_only(meeting, table):
    cast(meeting)
    log_everything()

    refused = pytest.raises(ProgrammingError, match=f"{table}_m{meeting.pk} is append-only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET id = id + 1")

    assert_whole(meeting)


@pytest.mark.parametrize("number", [3, 255, 256, 700])
def test_any_leaf_is_proven_from_the_books(meeting, number):
    start_due()
    sequencer.queue(meeting.pk, [(Kind.BALLOT, n, n.to_bytes(32)) for n in range(number)])
    log_everything(limit=100)
    leaves, size = entries(meeting), number + 1

    for place in {0, 1, 254, 255, 256, number // 2, number} & set(range(size)):
        proof = proofs.prove_inclusion(meeting.pk, place, size)
        leaf = tree.leaf_hash(leaves[place])
        assert tree.root_by_inclusion(leaf, place, size, proof) == root(leaves)


def test_any_checkpoint_is_consistent_with_any_later_one(meeting):
    start_due()
    for n in range(6):
        sequencer.queue(meeting.pk, [(Kind.BALLOT, n, bytes([n, m % 251]) * 16) for m in range(97)])
        log_everything()

    checkpoints = list(Checkpoint.objects.of_meeting(meeting.pk).order_by("id"))
    for earlier in checkpoints:
        for later in checkpoints[checkpoints.index(earlier) :]:
            proof = proofs.prove_consistency(meeting.pk, earlier.size, later.size)
            assert tree.is_consistent(
                earlier.size, bytes(earlier.root), later.size, bytes(later.root), proof
            )
    assert len(checkpoints) == 7


def test_a_proof_reads_few_rows_of_a_large_log(meeting, django_assert_max_num_queries):
    start_due()
    number = 66_000
    sequencer.queue(meeting.pk, ((Kind.BALLOT, n, n.to_bytes(32)) for n in range(number)))
    log_everything(limit=30_000)

    with django_assert_max_num_queries(8):
        proof = proofs.prove_inclusion(meeting.pk, 300, number + 1)

    last = Checkpoint.objects.of_meeting(meeting.pk).latest("id")
    leaf = tree.leaf_hash(commitment.entry(Kind.BALLOT, (299).to_bytes(32)))
    assert tree.root_by_inclusion(leaf, 300, number + 1, proof) == bytes(last.root)


def test_a_broken_promise_alarms_and_says_no_number(meeting, caplog):
    cast(meeting, 3)
    sequencer.warn_when_behind()
    assert not caplog.records

    late = timezone.now() - timedelta(seconds=61)
    QueuedEntry.objects.update(queued_at=late)
    with caplog.at_level(logging.ERROR):
        sequencer.warn_when_behind()

    (record,) = caplog.records
    assert "waiting for 6" in record.getMessage()
