"""Every switch of a meeting as the verifier counts by it, with figures worked out by hand."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from ballot_verifier import documents, judging, results
from ballot_verifier.counting import Count
from ballot_verifier.judging import Holder, Vote
from ballot_verifier.policies import VALUES
from meetings.models import POLICIES
from tests.verifier import writer
from tests.verifier.conftest import TOTALS, failed, figures
from tests.verifier.writer import DAY, Book, voter

PLAIN = [{"number": "1.00"}, {"number": "2.00"}]
ELECTION = {
    "number": "4.00",
    "kind": "CUMULATIVE",
    "seats": 1,
    "candidates": [{"number": "4.01", "name": "甲"}, {"number": "4.02", "name": "乙"}],
}
BIG, SMALL = Holder("I", {"A": 600}), Holder("I", {"A": 400})
OVER_LIMIT, ALL_HIS = {"4.01": 601}, {"4.02": 600}
TWO_NAMES = {"4.01": 300, "4.02": 300}
HALVES = figures(25_000, 25_000, 0, pct=("50.0000", "50.0000", "0.0000"))


def counted(policies, votes, *, motions=(*PLAIN, ELECTION), insiders=(), price=None):
    """The result of votes of other channels, one after the other; capital is 1,000 A shares.

    Each is a holder, choices, and what else is not usual.
    """
    switches = {**policies, "closing_price": price}
    document = writer.agenda(motions, classes={"A": {"capital": 1_000}}, policies=switches)
    agenda = documents.read_agenda(document)
    count = Count(agenda, insiders=insiders)
    for seq, (holder, choices, *unusual) in enumerate(votes, start=1):
        usual = Vote("INTERNET", "A", f"{DAY}T02:00:00.000000Z", seq, seq, choices)
        vote = replace(usual, **dict(*unusual))
        count.add_other(id(holder), holder, vote, judging.judge_other_vote(agenda, holder, vote))
    return results.result_of(agenda, count.finish())


def opinions(counts):
    return counts["for"], counts["against"], counts["abstain"]


def total(result, number):
    return opinions(result["motions"][number]["total"])


def test_the_program_knows_every_switch_of_the_portal_with_its_values_and_default():
    portal = {
        name: [value for value, _label in field.choices or [(True, ""), (False, "")]]
        for name, field in POLICIES.items()
    }

    assert {name: set(values) for name, values in VALUES.items()} == {
        name: set(values) for name, values in portal.items()
    }
    assert {name: values[0] for name, values in VALUES.items()} == {
        name: field.default for name, field in POLICIES.items()
    }


@pytest.mark.parametrize(("scope", "second"), [("MOTION", (0, 600, 0)), ("BALLOT", (0, 0, 600))])
def test_the_first_vote_prevails_for_its_motions_or_for_the_whole_ballot(scope, second):
    votes = [(BIG, {"1.00": "FOR"}), (BIG, {"1.00": "AGAINST", "2.00": "AGAINST"})]

    result = counted({"first_vote_scope": scope}, votes)

    assert total(result, "1.00") == (600, 0, 0)
    assert total(result, "2.00") == second


def test_a_vote_that_says_nothing_is_not_the_first_ballot():
    votes = [(BIG, {}, {"channel": "ONSITE"}), (BIG, {"4.00": OVER_LIMIT}), (BIG, {"1.00": "FOR"})]

    result = counted({"first_vote_scope": "BALLOT", "invalid_occupies_slot": False}, votes)

    assert total(result, "1.00") == (600, 0, 0)


def test_a_nominee_is_present_with_what_its_first_ballot_declared():
    nominee = Holder("N", {"A": 900})
    first = {"1.00": {"FOR": 300, "AGAINST": 0, "ABSTAIN": 0}}
    later = {"2.00": {"FOR": 500, "AGAINST": 0, "ABSTAIN": 0}}
    votes = [(nominee, first, {"declared": 300}), (nominee, later, {"declared": 500})]

    by_motion = counted({"first_vote_scope": "MOTION"}, votes)
    by_ballot = counted({"first_vote_scope": "BALLOT"}, votes)

    assert (total(by_motion, "1.00"), total(by_motion, "2.00")) == ((300, 0, 200), (500, 0, 0))
    assert (total(by_ballot, "1.00"), total(by_ballot, "2.00")) == ((300, 0, 0), (0, 0, 300))


@pytest.mark.parametrize(
    ("policy", "second", "outcome"),
    [("ABSTAIN", (400, 0, 600), "rejected"), ("ABSENT", (400, 0, 0), "passed")],
)
def test_what_a_partial_vote_does_not_say_abstains_or_is_absent(policy, second, outcome):
    votes = [(BIG, {"1.00": "FOR"}), (SMALL, {"1.00": "FOR", "2.00": "FOR"})]

    result = counted({"partial_missing_as": policy}, votes)

    assert total(result, "2.00") == second
    assert result["motions"]["2.00"]["outcome"] == outcome
    assert result["attendance"]["votes"] == 1_000


def test_a_blank_paper_on_site_abstains_whatever_the_policy():
    votes = [(BIG, {}, {"channel": "ONSITE"}), (SMALL, {"1.00": "FOR"})]

    result = counted({"partial_missing_as": "ABSENT"}, votes)

    assert total(result, "1.00") == (400, 0, 600)
    assert total(result, "2.00") == (0, 0, 600)


def test_votes_for_two_motions_that_exclude_each_other_are_no_part_of_the_base_when_invalid():
    motions = [{**motion, "exclusive_group": "X"} for motion in PLAIN]
    votes = [(BIG, {"1.00": "FOR"}), (BIG, {"2.00": "FOR"}), (SMALL, {"1.00": "FOR"})]
    switches = {"exclusive_policy": "INVALID_ALL", "partial_missing_as": "ABSENT"}

    result = counted(switches, votes, motions=[*motions, {"number": "3.00"}])

    assert total(result, "1.00") == (400, 0, 0)


@pytest.mark.parametrize(
    ("policies", "for_second", "holders"),
    [
        ({"cumulative_overflow": "INVALID_GROUP"}, 0, 0),
        ({"cumulative_overflow": "INVALID_GROUP", "invalid_occupies_slot": False}, 600, 1),
        ({"cumulative_overflow": "ABSTAIN"}, 0, 1),
        ({"cumulative_overflow": "ABSTAIN", "invalid_occupies_slot": False}, 0, 1),
    ],
)
def test_too_many_votes_are_invalid_or_abstain_and_hold_their_place_or_not(
    policies, for_second, holders
):
    result = counted(policies, [(BIG, {"4.00": OVER_LIMIT}), (BIG, {"4.00": ALL_HIS})])

    candidates = result["motions"]["4.00"]["candidates"]
    assert candidates["4.01"]["votes"] == 0
    assert candidates["4.02"]["votes"] == for_second
    assert result["attendance"]["holders"] == holders


@pytest.mark.parametrize(
    ("policy", "for_first", "holders"),
    [("INVALID_GROUP", 0, 0), ("ABSTAIN", 0, 1), ("AS_CAST", 300, 1)],
)
def test_too_many_candidates_are_invalid_or_abstain_or_count(policy, for_first, holders):
    result = counted({"cumulative_too_many_candidates": policy}, [(BIG, {"4.00": TWO_NAMES})])

    assert result["motions"]["4.00"]["candidates"]["4.01"]["votes"] == for_first
    assert result["attendance"]["holders"] == holders


@pytest.mark.parametrize(
    ("overflow", "present", "ratio", "elected"),
    [("INVALID_GROUP", 400, "100.0000", 1), ("ABSTAIN", 1_000, "40.0000", 0)],
)
def test_the_base_of_those_who_voted_has_groups_that_abstain_and_no_invalid_ones(
    overflow, present, ratio, elected
):
    votes = [(BIG, {"1.00": "FOR", "4.00": OVER_LIMIT}), (SMALL, {"4.00": {"4.01": 400}})]

    result = counted({"cumulative_base": "VOTED_SHARES", "cumulative_overflow": overflow}, votes)

    election = result["motions"]["4.00"]
    assert (election["present"], election["elected"]) == (present, elected)
    assert election["candidates"]["4.01"]["ratio"] == ratio


@pytest.mark.parametrize(
    ("policy", "said", "counts"),
    [
        ("EQUAL_DECLARED", 499, (0, 0, 0)),
        ("AT_MOST_DECLARED", 499, (499, 0, 1)),
        ("AT_MOST_DECLARED", 501, (0, 0, 0)),
    ],
)
def test_a_nominee_splits_all_it_declared_or_no_more_than_that(policy, said, counts):
    split = {"FOR": said, "AGAINST": 0, "ABSTAIN": 0}
    votes = [(Holder("N", {"A": 900}), {"1.00": split}, {"declared": 500})]

    result = counted({"nominee_sum_rule": policy}, votes)

    assert total(result, "1.00") == counts


@pytest.mark.parametrize(
    ("policy", "minority"),
    [
        ("GE_5_OR_INSIDER", (0, 10, 0)),
        ("GT_5_OR_INSIDER", (50, 10, 0)),
        ("GE_5", (0, 10, 20)),
    ],
)
def test_who_is_a_minority_holder_is_a_policy(policy, minority):
    five_percent, other, insider = (Holder("I", {"A": shares}) for shares in (50, 10, 20))

    result = counted(
        {"sm_threshold": policy},
        [
            (five_percent, {"1.00": "FOR"}),
            (other, {"1.00": "AGAINST"}),
            (insider, {"1.00": "ABSTAIN"}),
        ],
        motions=[{"number": "1.00", "is_for_minority_count": True}],
        insiders={id(insider)},
    )

    assert opinions(result["motions"]["1.00"]["minority"]) == minority


@pytest.mark.parametrize(
    ("policy", "minority"),
    [
        ("GE_5_OR_INSIDER", figures(0, 0, 0, pct=("0.0000",) * 3)),
        ("GT_5_OR_INSIDER", HALVES),
    ],
)
def test_so_is_whether_a_group_with_exactly_five_percent_is_large(check, policy, minority):
    motions = [{"number": "1.00", "is_for_minority_count": True}]
    agenda = writer.agenda(motions, policies={"sm_threshold": policy})
    book = Book(agenda, holders=[(voter(name), "I", {"A": 25_000}) for name in "PQ"])
    book.lists["concert_parties"] = {"1": sorted([voter("P"), voter("Q")])}
    book.cast("P", {"1.00": "FOR"}, shares=25_000)
    book.cast("Q", {"1.00": "AGAINST"}, shares=25_000)
    present = {"holders": 2, "votes": 50_000, "ratio": "5.0000"}
    counts = {"classes": {"A": HALVES}, "total": HALVES, "minority": minority}
    book.totals = {
        **TOTALS,
        "attendance": {**present, "classes": {"A": present}},
        "motions": {"1.00": {**counts, "excluded": [], "outcome": "rejected"}},
    }

    assert failed(check(book)) == {}


@pytest.mark.parametrize(
    ("policy", "shares"),
    [("LOWER_INCLUDED", [50, 10, 5, 0]), ("UPPER_INCLUDED", [0, 50, 10, 5])],
)
def test_a_holding_on_the_bound_is_of_the_upper_or_the_lower_segment(policy, shares):
    holders = [Holder("I", {"A": number}) for number in (50, 10, 5)]  # 5 %, 1 %, 500,000 yuan

    result = counted(
        {"seg_bounds": policy},
        [(holder, {"1.00": "FOR"}) for holder in holders],
        motions=[{"number": "1.00", "is_dividend": True}],
        price="100000",
    )

    segments = result["motions"]["1.00"]["segments"]
    assert [segments[name]["for"] for name in ("ge5", "1to5", "lt1_large", "lt1_small")] == shares


def test_who_leaves_an_election_empty_is_no_part_of_the_base_of_those_who_voted(book, check):
    book.change(policies={"cumulative_base": "VOTED_SHARES"})
    book.totals = copy.deepcopy(TOTALS)
    election = book.totals["motions"]["3.00"]
    election |= {"present": 13_000, "elected": 1, "shortfall": 1}  # 10,000 and 3,000 voted
    for number, ratio in (("3.01", "153.8461"), ("3.02", "23.0769"), ("3.03", "23.0769")):
        election["candidates"][number]["ratio"] = ratio
    election["candidates"]["3.01"]["elected"] = True

    assert failed(check(book)) == {}


@pytest.mark.parametrize(
    ("prevote", "cast_at", "steps"),
    [
        ("ON", "2026-06-25T07:00:00.000000Z", set()),
        ("ON", "2026-06-25T06:59:59.999999Z", {4}),
        ("OFF", "2026-06-26T01:14:59.999999Z", {4}),
    ],
)
def test_ballots_are_taken_from_the_day_before_where_there_is_prevote(
    book, check, prevote, cast_at, steps
):
    book.change(policies={"prevote": prevote})
    book.polls = documents.read_agenda(book.agenda).polls
    last = book.ballots.pop()
    book.ballots.append(last.replace(last.split("cast ")[1].split("\n")[0], cast_at))

    assert set(failed(check(book))) == steps


@pytest.mark.parametrize("hour", ["2026-06-25T07", "2026-06-26T00"])
def test_polls_at_other_hours_than_the_rules_are_noticed(book, check, hour):
    book.polls = f"{hour}:00:00.000000Z", book.polls[1]

    assert failed(check(book, kind="public")) == {6: [("polls_differ", None)]}


def test_a_rehearsal_may_be_at_any_hour(book, check):
    book.change(meeting={"is_rehearsal": True})
    book.polls = "2026-06-26T00:00:00.000000Z", book.polls[1]

    assert failed(check(book)) == {}


def test_a_ballot_may_name_more_candidates_than_seats_where_a_policy_says_so(book, check):
    book.change(policies={"cumulative_too_many_candidates": "AS_CAST"})
    book.totals = None
    ballot = {"1.00": "FOR", "2.00": "FOR", "3.00": {"3.01": 1, "3.02": 1, "3.03": 1}}
    book.cast("T", ballot, shares=4_000)

    limitless = check(book)
    book.change(policies={"cumulative_too_many_candidates": "ABSTAIN"})
    limited = check(book)

    assert failed(limitless) == {}
    assert failed(limited) == {7: [("unlawful", 6)]}
    assert limited.steps[7].failures[0].values["fault"] == "TOO_MANY_CANDIDATES"
