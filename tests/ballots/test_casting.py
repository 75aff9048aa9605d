"""Casting: the first ballot counts, the clock decides, and a refusal leaves nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from ballots import rules
from ballots.casting import SEQUENCE, cast_ballot
from ballots.entitlement import read_entitlement
from ballots.models import Ballot
from ballots.opening import recount
from meetings import polls
from meetings.agenda import read_agenda
from meetings.keys import meeting_key
from meetings.models import Meeting, MeetingKey
from meetings.preparing import recuse
from tests.factories import make_holder, make_meeting

WHOLE = {"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 1_500, "3.02": 500}}


def cast(holder, choices=WHOLE, **options):
    entitlement = read_entitlement(holder.pk, 0)
    agenda = read_agenda(holder.meeting_id)
    return cast_ballot(
        entitlement=entitlement,
        agenda=agenda,
        share_class=0,
        choices=choices,
        level=1,
        **options,
    )


@pytest.fixture
def holder(db):
    return make_holder(make_meeting(), shares=1_000)


def test_a_ballot_carries_every_share_and_every_choice(holder):
    ballot = cast(holder)

    stored = Ballot.objects.get()
    assert stored.shares == 1_000
    assert stored.choices == WHOLE
    assert stored.code == ballot.code
    assert stored.cast_at == ballot.cast_at


def test_a_ballot_is_cast_in_one_transaction_of_few_statements(holder, django_assert_num_queries):
    entitlement, agenda = read_entitlement(holder.pk, 0), read_agenda(holder.meeting_id)
    meeting_key(holder.meeting_id, MeetingKey.Purpose.LOG)  # a process asks for it once a minute

    with django_assert_num_queries(4):  # savepoint, the polls' lock, the insert, release
        cast_ballot(entitlement=entitlement, agenda=agenda, share_class=0, choices=WHOLE, level=1)


def test_the_second_ballot_is_refused_with_the_first(holder):
    first = cast(holder)

    with pytest.raises(rules.AlreadyCast) as refusal:
        cast(holder, {**WHOLE, "1.00": "AGAINST"})

    assert refusal.value.ballot == first
    assert Ballot.objects.get().choices["1.00"] == "FOR"


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"1.00": "FOR"}, "INCOMPLETE"),
        ({}, "INCOMPLETE"),
        ({**WHOLE, "3.00": {"3.01": 2_001}}, "OVER_LIMIT"),
        ({**WHOLE, "3.00": {"3.01": 1, "3.02": 1, "3.03": 1}}, "TOO_MANY_CANDIDATES"),
        ({"1.00": "FOR", "3.00": {"3.01": 2_001}}, "INCOMPLETE"),
    ],
)
def test_a_bad_ballot_is_refused_with_its_word_and_leaves_nothing(holder, choices, reason):
    with pytest.raises(rules.BadBallot) as refusal:
        cast(holder, choices)

    assert refusal.value.reason == reason
    assert not Ballot.objects.exists()


def test_all_faults_are_named_at_once(holder):
    with pytest.raises(rules.BadBallot) as refusal:
        cast(holder, {"3.00": {"3.01": 2_001}})

    faults = [(fault.motion, fault.reason) for fault in refusal.value.faults]
    assert faults == [
        ("1.00", "INCOMPLETE"),
        ("2.00", "INCOMPLETE"),
        ("3.00", "OVER_LIMIT"),
    ]


def test_a_cumulative_group_may_be_left_empty(holder):
    ballot = cast(holder, {"1.00": "FOR", "2.00": "FOR", "3.00": {"3.01": 0}})

    assert ballot.choices == {"1.00": "FOR", "2.00": "FOR"}


@pytest.mark.parametrize(
    "choices",
    [
        {**WHOLE, "9.00": "FOR"},
        {**WHOLE, "1.00": "MAYBE"},
        {**WHOLE, "3.00": "FOR"},
        {**WHOLE, "3.00": {"3.09": 1}},
        {**WHOLE, "3.00": {"3.01": -1}},
    ],
)
def test_what_is_not_on_the_paper_is_no_ballot_at_all(holder, choices):
    with pytest.raises(ValueError, match=r"."):
        cast(holder, choices)

    assert not Ballot.objects.exists()


def test_a_recused_motion_need_not_be_answered(holder):
    meeting = Meeting.objects.get()
    motion = meeting.motions.get(group=2)
    now = timezone.now()
    recuse(motion, account="A000000001", name="关联股东", by="operator:1", now=now)

    ballot = cast(holder, {"1.00": "FOR"})

    assert ballot.choices == {"1.00": "FOR"}


def test_a_holder_recused_from_everything_is_refused(holder):
    meeting = Meeting.objects.get()
    now = timezone.now()
    for motion in meeting.motions.all():
        recuse(motion, account="A000000001", name="关联股东", by="operator:1", now=now)

    with pytest.raises(rules.RecusedOnly):
        cast(holder, {})

    assert not Ballot.objects.exists()


def test_a_voteless_holder_is_refused(db):
    holder = make_holder(make_meeting(), kind="V")

    with pytest.raises(rules.NoVotes):
        cast(holder)

    assert not Ballot.objects.exists()


def test_both_ends_of_the_window_count(db):
    meeting = make_meeting()
    millisecond = timedelta(milliseconds=1)
    early, first, last, late = (make_holder(meeting) for _ in range(4))

    with pytest.raises(rules.TooEarly):
        cast(early, at=meeting.polls_open_at - millisecond)
    cast(first, at=meeting.polls_open_at)
    cast(last, at=meeting.polls_close_at)
    with pytest.raises(rules.TooLate):
        cast(late, {"1.00": "FOR"}, at=meeting.polls_close_at + millisecond)

    assert Ballot.objects.count() == 2


def test_only_a_rehearsal_takes_ballots_at_another_time(db):
    meeting = make_meeting(is_rehearsal=False)
    holder = make_holder(meeting)

    with pytest.raises(rules.NotTaken):
        cast(holder, at=meeting.polls_open_at)

    assert not Ballot.objects.exists()


@pytest.mark.parametrize("state", ["DRAFT", "MOTIONS_CONFIRMED", "CANCELLED", "POSTPONED"])
def test_a_meeting_that_takes_no_ballots_refuses_them(db, state):
    holder = make_holder(make_meeting(state=state))

    with pytest.raises(rules.NotTaken):
        cast(holder)

    assert not Ballot.objects.exists()


def test_sealed_polls_take_nothing_even_inside_the_window(holder):
    polls.seal(Meeting.objects.get())

    with pytest.raises(rules.TooLate):
        cast(holder)

    assert not Ballot.objects.exists()


def test_a_ballot_is_never_changed_or_removed(holder):
    cast(holder)

    with pytest.raises(ProgrammingError, match="append-only"):
        Ballot.objects.update(shares=1)


@pytest.mark.django_db(transaction=True)
def test_two_hundred_submits_at_once_make_one_ballot():
    holder = make_holder(make_meeting(), shares=1_000)
    entitlement, agenda = read_entitlement(holder.pk, 0), read_agenda(holder.meeting_id)
    threads = 200
    together = Barrier(threads, timeout=60)

    def submit(number):
        opinion = ("FOR", "AGAINST", "ABSTAIN")[number % 3]
        connection.ensure_connection()
        together.wait()
        try:
            ballot = cast_ballot(
                entitlement=entitlement,
                agenda=agenda,
                share_class=0,
                choices={**WHOLE, "1.00": opinion},
                level=1,
            )
        except rules.AlreadyCast as refusal:
            ballot = refusal.ballot
        finally:
            connection.close()
        return ballot.code, ballot.cast_at, ballot.choices["1.00"]

    with ThreadPoolExecutor(threads) as pool:
        seen = set(pool.map(submit, range(threads)))

    stored = Ballot.objects.get()
    assert seen == {(stored.code, stored.cast_at, stored.choices["1.00"])}


@pytest.mark.django_db(transaction=True)
def test_the_seal_waits_for_a_ballot_under_way():
    holder = make_holder(make_meeting())
    meeting = Meeting.objects.get()
    order = []
    inside, go_on = Barrier(2, timeout=30), Barrier(2, timeout=30)

    def cast_slowly():
        with transaction.atomic():
            polls.enter(meeting.pk, sequence=SEQUENCE)
            inside.wait()
            go_on.wait()
            order.append("cast")
        connection.close()

    def seal():
        inside.wait()
        go_on.wait()
        with transaction.atomic():
            polls.seal(Meeting.objects.get(pk=meeting.pk))
            order.append("sealed")
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(cast_slowly), pool.submit(seal)]:
            done.result()

    assert order == ["cast", "sealed"]
    with pytest.raises(rules.TooLate):
        cast(holder)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_submits_by_two_browsers_one_opinion_stands_and_is_counted():
    holder = make_holder(make_meeting(), shares=1_000)
    meeting = Meeting.objects.get()
    entitlement, agenda = read_entitlement(holder.pk, 0), read_agenda(holder.meeting_id)
    threads = 20
    together = Barrier(threads, timeout=30)

    def submit(number):
        opinion = "FOR" if number % 2 else "AGAINST"  # what each of the two browsers says
        connection.ensure_connection()
        together.wait()
        try:
            cast_ballot(
                entitlement=entitlement,
                agenda=agenda,
                share_class=0,
                choices={**WHOLE, "1.00": opinion},
                level=1,
            )
        except rules.AlreadyCast:
            return None
        finally:
            connection.close()
        return opinion

    with ThreadPoolExecutor(threads) as pool:
        accepted = [opinion for opinion in pool.map(submit, range(threads)) if opinion]

    with transaction.atomic():
        polls.seal(meeting)
    total = recount(meeting.pk)["motions"]["1.00"]["total"]
    assert len(accepted) == 1
    assert total["for"] == (1_000 if accepted == ["FOR"] else 0)
    assert total["against"] == (1_000 if accepted == ["AGAINST"] else 0)


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [("FOR", "FOR", "EXCLUSIVE"), ("FOR", "AGAINST", None), ("AGAINST", "AGAINST", None)],
)
def test_of_motions_that_exclude_each_other_a_ballot_agrees_to_one(holder, one, two, reason):
    Meeting.objects.get().motions.filter(kind="PLAIN").update(exclusive_group="分红")
    choices = {"1.00": one, "2.00": two}

    if reason is None:
        cast(holder, choices)
    else:
        with pytest.raises(rules.BadBallot) as refusal:
            cast(holder, choices)
        assert refusal.value.reason == reason

    assert Ballot.objects.exists() == (reason is None)


@pytest.mark.parametrize(("is_equal", "limit"), [(False, 20_000), (True, 2_000)])
def test_special_voting_rights_raise_the_limit_unless_the_motion_is_one_share_one_vote(
    holder, is_equal, limit
):
    meeting = Meeting.objects.get()
    meeting.share_classes.update(votes_per_share=10)
    meeting.motions.filter(kind="CUMULATIVE").update(is_one_share_one_vote=is_equal)

    with pytest.raises(rules.BadBallot) as refusal:
        cast(holder, {**WHOLE, "3.00": {"3.01": limit + 1}})
    cast(holder, {**WHOLE, "3.00": {"3.01": limit}})

    assert refusal.value.reason == "OVER_LIMIT"
    assert Ballot.objects.get().choices["3.00"] == {"3.01": limit}
