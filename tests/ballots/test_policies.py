"""The switches of a meeting: each of their values does what it says, frozen and printed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from ballots import announcement
from ballots.opening import ask_for_tally, open_tally
from ballots.scenario import Unsupported, run_scenario
from meetings import dates, lifecycle
from meetings.agenda import read_agenda
from meetings.models import POLICIES, Meeting
from tests.ballots.test_results import vote
from tests.factories import make_meeting, make_operator, make_secretary

pytestmark = pytest.mark.django_db
VALUES = [
    (name, value)
    for name, field in POLICIES.items()
    for value, _label in field.choices or [(True, ""), (False, "")]
]


def plain(number, **facts):
    return {
        "number": number,
        "title": "议案",
        "kind": "plain",
        "resolution": "ordinary",
        "classes": ["A"],
        **facts,
    }


ELECTION = {
    "number": "4.00",
    "title": "选举",
    "kind": "cumulative",
    "classes": ["A"],
    "seats": 1,
    "candidates": [{"number": "4.01", "name": "甲"}, {"number": "4.02", "name": "乙"}],
}


def cast(seq, at, account, **votes):
    """A vote of another channel; motions are written m1 and m4."""
    choices = {f"{name[1:]}.00": choice for name, choice in votes.items()}
    return {"seq": seq, "at": at, "channel": "internet", "account": account, "votes": choices}


def played(policies, votes, *, motions=None, shares=(600, 400), price=None, **facts):
    """The result of a meeting whose holders A000000001 and so on have so many shares of 1,000."""
    outcome = run_scenario(
        {
            "name": "policies",
            "meeting": {
                "security_code": "600000",
                "title": "2025年年度股东会",
                "date": "2026-06-26",
                "record_date": "2026-06-23",
                "capital": {"A": 1_000},
                "closing_price": price,
            },
            "policies": policies,
            "motions": motions or [plain("1.00"), plain("2.00"), ELECTION],
            "register": [
                {
                    "holder": f"H{place}",
                    "account": f"A{place:09d}",
                    "ymt": f"18{place:010d}",
                    "name": f"测试{place}",
                    "id_type": "99",
                    "id_no": f"X{place}",
                    "shares": number,
                    "class": "A",
                }
                for place, number in enumerate(shares, start=1)
            ],
            "votes": votes,
            **facts,
        }
    )
    return outcome["result"]


def opinions(figures):
    return figures["for"], figures["against"], figures["abstain"]


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_scenario_sets_every_value_by_its_name_and_the_result_prints_it(name, value):
    given = value.lower() if isinstance(value, str) else value

    result = played({name: given}, [])

    assert result["policies"][name] == value


@pytest.mark.parametrize(
    "policies",
    [
        {"first_vote": "MOTION"},
        {"first_vote_scope": "HOLDER"},
        {"first_vote_scope": None},
        {"invalid_occupies_slot": "yes"},
    ],
)
def test_a_policy_that_does_not_exist_is_refused(policies):
    with pytest.raises(Unsupported, match="there are"):
        played(policies, [])

    assert not Meeting.objects.exists()


@pytest.mark.parametrize(("given", "value"), [(False, "OFF"), ("off", "OFF"), (True, "ON")])
def test_prevote_is_off_or_on(given, value):
    assert played({"prevote": given}, [])["policies"]["prevote"] == value


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_no_policy_changes_once_the_motions_are_confirmed(name, value):
    changed = Meeting.objects.filter(pk=make_meeting(state="MOTIONS_CONFIRMED").pk)
    usual = POLICIES[name].default

    if value == usual:
        changed.update(**{name: value, "title": "改名"})  # nothing of it is new
    else:
        with pytest.raises(DatabaseError, match="frozen"), transaction.atomic():
            changed.update(**{name: value})

    assert getattr(changed.get(), name) == usual


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_policy_is_chosen_while_the_agenda_is_made(name, value):
    draft = Meeting.objects.filter(pk=make_meeting(state="DRAFT").pk)

    draft.update(**{name: value})

    assert read_agenda(draft.get().pk).policies[name] == value


def test_operators_choose_every_policy_on_the_page_of_the_meeting(client):
    client.force_login(make_operator())

    page = client.get(reverse("admin:meetings_meeting_add")).text

    for name, field in POLICIES.items():
        assert f'name="{name}"' in page
        assert all(f'value="{value}"' in page for value, _label in field.choices or ())


def test_the_announcement_says_every_policy_in_words():
    meeting = make_meeting(first_vote_scope="BALLOT", prevote="ON")
    vote(meeting, 100, "FOR", "FOR")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    tally = open_tally(meeting.pk, by="operator:2", now=timezone.now())

    agenda = read_agenda(meeting.pk)
    annex = announcement.sections(agenda, tally.content)[-1]

    rows = dict(next(table.rows for table in annex.tables if table.title == "计票规则"))
    for name, field in POLICIES.items():
        labels = dict(field.choices or {True: "是", False: "否"})
        assert rows[str(field.verbose_name)] == str(labels[agenda.policies[name]])


@pytest.mark.parametrize(
    ("scope", "figures", "beaten"),
    [
        ("MOTION", (0, 600, 0), [{"seq": 2, "motion": "1.00"}]),
        (
            "BALLOT",
            (0, 0, 600),
            [{"seq": 2, "motion": "1.00"}, {"seq": 2, "motion": "2.00"}],
        ),
    ],
)
def test_the_first_vote_prevails_for_its_motions_or_for_the_whole_ballot(scope, figures, beaten):
    votes = [
        cast(1, "09:40:00.000", "A000000001", m1="for"),
        cast(2, "10:00:00.000", "A000000001", m1="against", m2="against"),
    ]

    result = played({"first_vote_scope": scope}, votes)

    assert opinions(result["motions"]["1.00"]["total"]) == (600, 0, 0)
    assert opinions(result["motions"]["2.00"]["total"]) == figures
    assert result["superseded"] == beaten


@pytest.mark.parametrize(
    ("policy", "figures"),
    [
        ("ONSITE_VOTE_START", (600, 0, 0)),
        ("POLLS_CLOSE", (600, 0, 0)),
        ("POLLS_OPEN", (0, 600, 0)),
    ],
)
def test_an_on_site_vote_without_a_time_has_the_policys(policy, figures):
    onsite = {"seq": 2, "channel": "onsite", "account": "A000000001", "votes": {"1.00": "against"}}
    votes = [cast(1, "13:00:00.000", "A000000001", m1="for"), onsite]

    result = played({"onsite_time_default": policy}, votes)

    assert opinions(result["motions"]["1.00"]["total"]) == figures


@pytest.mark.parametrize(
    ("policy", "figures", "outcome"),
    [("ABSTAIN", (400, 0, 600), "rejected"), ("ABSENT", (400, 0, 0), "passed")],
)
def test_what_a_partial_vote_does_not_say_abstains_or_is_absent(policy, figures, outcome):
    votes = [
        cast(1, "09:40:00.000", "A000000001", m1="for"),
        cast(2, "10:00:00.000", "A000000002", m1="for", m2="for"),
    ]

    result = played({"partial_missing_as": policy}, votes)

    assert opinions(result["motions"]["2.00"]["total"]) == figures
    assert result["motions"]["2.00"]["outcome"] == outcome
    assert result["attendance"]["votes"] == 1_000


def test_a_blank_paper_on_site_abstains_whatever_the_policy():
    admitted = {"seq": 1, "channel": "onsite", "account": "A000000001", "votes": {}}
    votes = [admitted, cast(2, "10:00:00.000", "A000000002", m1="for")]

    result = played({"partial_missing_as": "ABSENT"}, votes)

    assert opinions(result["motions"]["1.00"]["total"]) == (400, 0, 600)
    assert opinions(result["motions"]["2.00"]["total"]) == (0, 0, 600)


@pytest.mark.parametrize(
    ("policies", "counts_again"),
    [
        ({"cumulative_overflow": "INVALID_GROUP"}, False),
        ({"cumulative_overflow": "INVALID_GROUP", "invalid_occupies_slot": False}, True),
        ({"cumulative_overflow": "ABSTAIN", "invalid_occupies_slot": False}, False),
    ],
)
def test_too_many_votes_are_invalid_or_abstain_and_hold_their_place_or_not(policies, counts_again):
    votes = [
        cast(1, "09:40:00.000", "A000000001", m4={"4.01": 601}),
        cast(2, "10:00:00.000", "A000000001", m4={"4.02": 600}),
    ]

    result = played(policies, votes)

    election = result["motions"]["4.00"]
    assert election["candidates"]["4.01"]["votes"] == 0
    assert election["candidates"]["4.02"]["votes"] == (600 if counts_again else 0)
    assert election["invalid_ballots"] == [{"seq": 1, "reason": "OVER_LIMIT"}]
    assert result["vote_status"] == {"1": "flagged:OVER_LIMIT", "2": "accepted"}


@pytest.mark.parametrize(
    ("policy", "status", "votes_of_first", "holders"),
    [
        ("INVALID_GROUP", "flagged:TOO_MANY_CANDIDATES", 0, 0),
        ("ABSTAIN", "flagged:TOO_MANY_CANDIDATES", 0, 1),
        ("AS_CAST", "accepted", 300, 1),
    ],
)
def test_too_many_candidates_are_invalid_or_abstain_or_count(
    policy, status, votes_of_first, holders
):
    votes = [cast(1, "09:40:00.000", "A000000001", m4={"4.01": 300, "4.02": 300})]

    result = played({"cumulative_too_many_candidates": policy}, votes)

    assert result["vote_status"] == {"1": status}
    assert result["motions"]["4.00"]["candidates"]["4.01"]["votes"] == votes_of_first
    assert result["attendance"]["holders"] == holders


@pytest.mark.parametrize(
    ("policy", "status"),
    [("INVALID_GROUP", "rejected:TOO_MANY_CANDIDATES"), ("AS_CAST", "accepted")],
)
def test_the_page_limits_the_number_of_candidates_by_the_policy(policy, status):
    own = {
        "seq": 1,
        "at": "10:00:00.000",
        "channel": "link",
        "holder": "H1",
        "votes": {"1.00": "for", "2.00": "for", "4.00": {"4.01": 300, "4.02": 300}},
    }

    result = played({"cumulative_too_many_candidates": policy}, [own])

    assert result["vote_status"] == {"1": status}


@pytest.mark.parametrize(
    ("policy", "present", "ratio", "elected"),
    [("PRESENT_SHARES", 1_000, "40.0000", 0), ("VOTED_SHARES", 400, "100.0000", 1)],
)
def test_the_base_of_an_election_is_who_is_present_or_who_voted(policy, present, ratio, elected):
    votes = [
        cast(1, "09:40:00.000", "A000000001", m1="for", m4={"4.01": 601}),  # invalid
        cast(2, "10:00:00.000", "A000000002", m1="for", m4={"4.01": 400}),
    ]

    result = played({"cumulative_base": policy}, votes)

    election = result["motions"]["4.00"]
    assert (election["present"], election["elected"]) == (present, elected)
    assert election["candidates"]["4.01"]["ratio"] == ratio


@pytest.mark.parametrize(
    ("policy", "split", "status"),
    [
        ("EQUAL_DECLARED", 499, "rejected:SUM_MISMATCH"),
        ("AT_MOST_DECLARED", 499, "accepted"),
        ("AT_MOST_DECLARED", 501, "rejected:SUM_MISMATCH"),
    ],
)
def test_a_nominee_splits_all_it_declared_or_no_more_than_that(policy, split, status):
    own = {
        "seq": 1,
        "at": "10:00:00.000",
        "channel": "link",
        "holder": "H1",
        "declared": 500,
        "votes": {
            number: {"for": split, "against": 0, "abstain": 0} for number in ("1.00", "2.00")
        },
    }

    result = played({"nominee_sum_rule": policy}, [own], nominees=["H1"])

    assert result["vote_status"] == {"1": status}
    counted = (499, 0, 1) if status == "accepted" else (0, 0, 0)
    assert opinions(result["motions"]["1.00"]["total"]) == counted


@pytest.mark.parametrize(
    ("policy", "figures"),
    [
        ("GE_5_OR_INSIDER", (0, 10, 0)),
        ("GT_5_OR_INSIDER", (50, 10, 0)),
        ("GE_5", (0, 10, 20)),
    ],
)
def test_who_is_a_minority_holder_is_a_policy(policy, figures):
    votes = [
        cast(1, "09:40:00.000", "A000000001", m1="for"),  # exactly 5 %
        cast(2, "09:41:00.000", "A000000002", m1="against"),
        cast(3, "09:42:00.000", "A000000003", m1="abstain"),  # an insider
    ]
    motions = [plain("1.00", separate_count=True)]

    result = played(
        {"sm_threshold": policy}, votes, motions=motions, shares=(50, 10, 20), insiders=["H3"]
    )

    assert opinions(result["motions"]["1.00"]["minority"]) == figures


@pytest.mark.parametrize(
    ("policy", "ge5", "one_to_five", "large", "small"),
    [("LOWER_INCLUDED", 50, 10, 5, 0), ("UPPER_INCLUDED", 0, 50, 10, 5)],
)
def test_a_holding_on_the_bound_is_of_the_upper_or_the_lower_segment(
    policy, ge5, one_to_five, large, small
):
    votes = [
        cast(place, "09:40:00.000", f"A{place:09d}", m1="for") for place in (1, 2, 3)
    ]  # exactly 5 %, 1 %, 500,000 yuan
    motions = [plain("1.00", dividend=True)]

    result = played(
        {"seg_bounds": policy}, votes, motions=motions, shares=(50, 10, 5), price="100000"
    )

    segments = result["motions"]["1.00"]["segments"]
    found = [segments[name]["for"] for name in ("ge5", "1to5", "lt1_large", "lt1_small")]
    assert found == [ge5, one_to_five, large, small]


@pytest.mark.parametrize(("policy", "status"), [("OFF", "rejected:TOO_EARLY"), ("ON", "accepted")])
def test_with_prevote_ballots_are_taken_before_the_day(policy, status):
    own = {
        "seq": 1,
        "at": "08:00:00.000",
        "channel": "link",
        "holder": "H1",
        "votes": {"1.00": "for", "2.00": "for"},
    }

    assert played({"prevote": policy}, [own])["vote_status"] == {"1": status}


@pytest.mark.parametrize(("policy", "hours_before"), [("OFF", 0), ("ON", 18.25)])
def test_the_polls_of_a_real_meeting_open_when_the_policy_says(policy, hours_before):
    days = {"meeting_date": date(2026, 6, 26), "record_date": date(2026, 6, 18)}
    meeting = make_meeting(state="REGISTER_LOADED", prevote=policy, is_rehearsal=False, **days)
    day = datetime.combine(meeting.meeting_date, dates.POLLS_OPEN, lifecycle.BEIJING)
    opening = day - timedelta(hours=hours_before)
    Meeting.objects.filter(pk=meeting.pk).update(
        polls_open_at=opening - timedelta(seconds=1),
        polls_close_at=day.replace(hour=15, minute=0),
    )

    with pytest.raises(lifecycle.CannotAdvance, match="投票时间须为"):
        lifecycle.confirm_motions(meeting.pk, by="operator:1", now=timezone.now())
    Meeting.objects.filter(pk=meeting.pk).update(polls_open_at=opening)
    lifecycle.confirm_motions(meeting.pk, by="operator:1", now=timezone.now())

    assert Meeting.objects.get(pk=meeting.pk).state == "MOTIONS_CONFIRMED"


@pytest.mark.parametrize(("policy", "status"), [("CLOSED", 200), ("CERTIFIED", 404)])
def test_the_secretary_sees_the_result_when_the_policy_says(client, policy, status):
    meeting = make_meeting(results_visible_from=policy)
    vote(meeting, 123_457, "FOR", "FOR")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    open_tally(meeting.pk, by="operator:2", now=timezone.now())
    client.force_login(make_secretary(meeting.issuer))
    files = [f"/secretary/{meeting.pk}/{name}" for name in ("result.csv", "detail.csv")]

    counted = [client.get(file).status_code for file in files]
    page = client.get(f"/secretary/{meeting.pk}/").text
    lifecycle.certify(meeting.pk, by="operator:1", now=timezone.now())
    certified = [client.get(file).status_code for file in files]

    assert counted == [status, status]
    assert ("123,457" in page) == (status == 200)
    assert certified == [200, 200]
