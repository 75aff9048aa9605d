"""Random meetings over all channels, accounts, classes and policies: the database's tally is what
a recount by hand finds, to the last share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ballots.scenario import run_scenario
from tests.ballots.by_hand import Recount

pytestmark = pytest.mark.django_db
SCENARIOS = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.json"))
OPINIONS = ("for", "for", "against", "abstain")


@st.composite
def scenarios(draw):
    """A meeting of a few holders with everything that can happen to their votes."""
    choose, chance = (lambda options: draw(st.sampled_from(options))), _chance(draw)
    classes = choose([["A"], ["A"], ["A", "B"], ["A", "SVR"], ["A", "B", "PREF"], ["B"]])
    unit = choose([1, 1_000, 10_000, 999_999_999_999])
    capital = {c: choose([200, 1_000, 3_000]) * unit for c in classes}
    holders, register = _register(draw, chance, classes, unit)
    nominees = [h for h in holders if h.startswith("N")]
    voteless = [h for h in holders if h.startswith("T")]
    motions = _motions(draw, chance, classes, holders)
    scenario = {
        "name": "random",
        "meeting": {
            "security_code": "600000",
            "title": "2025年年度股东会",
            "date": "2026-06-26",
            "record_date": "2026-06-23",
            "voteless_shares": {classes[0]: unit},
            "capital": {c: max(capital[c], _sum(register, c)) for c in classes},
            "closing_price": choose(["10.00", "0.37", "49999.99"]),
            "votes_per_share": {"SVR": 10} if "SVR" in classes else {},
            "onsite_vote_start": "14:00:00.000",
        },
        "policies": {
            "ordinary_threshold": choose(["GT_HALF", "GE_HALF"]),
            "election_threshold": choose(["GT_HALF", "GE_HALF"]),
            "invalid_occupies_slot": draw(st.booleans()),
            "pct_policy": choose(["SSE_TRUNC_RESIDUAL", "HALF_UP"]),
            "exclusive_policy": choose(["ABSTAIN_ALL", "INVALID_ALL", "FIRST_AGREE", "AS_CAST"]),
            "first_vote_scope": choose(["MOTION", "MOTION", "BALLOT"]),
            "onsite_time_default": choose(["ONSITE_VOTE_START", "POLLS_OPEN", "POLLS_CLOSE"]),
            "partial_missing_as": choose(["ABSTAIN", "ABSENT"]),
            "cumulative_base": choose(["PRESENT_SHARES", "VOTED_SHARES"]),
            "cumulative_overflow": choose(["INVALID_GROUP", "ABSTAIN"]),
            "cumulative_too_many_candidates": choose(["INVALID_GROUP", "ABSTAIN", "AS_CAST"]),
            "nominee_sum_rule": choose(["EQUAL_DECLARED", "AT_MOST_DECLARED"]),
            "sm_threshold": choose(["GE_5_OR_INSIDER", "GT_5_OR_INSIDER", "GE_5"]),
            "seg_bounds": choose(["LOWER_INCLUDED", "UPPER_INCLUDED"]),
            "prevote": choose(["OFF", "OFF", "ON"]),
        },
        "motions": motions,
        "register": register,
        "nominees": nominees,
        "voteless": voteless,
        "insiders": [h for h in holders if chance(6)],
        "concert_groups": [
            group for group in [[h for h in holders if chance(3)]] if len(group) > 1
        ],
        "votes": [],
    }
    count = draw(st.integers(0, 14))
    scenario["votes"] = [_vote(draw, chance, scenario, seq) for seq in range(1, count + 1)]
    return scenario


def _chance(draw):
    """One in so many."""
    return lambda n: draw(st.integers(1, n)) == n


def _sum(register, share_class):
    return sum(row["shares"] for row in register if row["class"] == share_class)


def _register(draw, chance, classes, unit):
    names = [f"H{n}" for n in range(draw(st.integers(2, 5)))]
    names += ["N1"] * chance(2) + ["T1"] * chance(4)
    rows = []
    for place, name in enumerate(names, start=1):
        rows += [
            {
                "holder": name,
                "account": f"A{place:03d}{number:06d}",
                "ymt": f"18{place:010d}",
                "name": f"测试{name}",
                "id_type": "99",
                "id_no": f"X{place}",
                "shares": draw(st.integers(1, 40)) * unit + draw(st.integers(0, 3)),
                "class": draw(st.sampled_from(classes)),
                "nature": "unrestricted",
            }
            for number in range(draw(st.integers(1, 3)))
        ]
    return names, rows


def _motions(draw, chance, classes, holders):
    motions = []
    for group in range(1, draw(st.integers(1, 4)) + 1):
        common = {
            "number": f"{group}.00",
            "title": "议案",
            "classes": sorted(
                draw(st.sets(st.sampled_from(classes), min_size=1)), key=classes.index
            ),
            "separate_count": chance(2),
            "recused": [h for h in holders if chance(7)],
            "one_share_one_vote": chance(3),
        }
        if chance(3):
            count = draw(st.integers(1, 4))
            motions.append(
                common
                | {
                    "kind": "cumulative",
                    "seats": draw(st.integers(1, 3)),
                    "candidates": [
                        {"number": f"{group}.{n:02d}", "name": f"候选人{n}"}
                        for n in range(1, count + 1)
                    ],
                }
            )
            continue
        is_special = chance(2)
        motions.append(
            common
            | {
                "number": f"{group}.{draw(st.sampled_from([0, 0, 1])):02d}",
                "kind": "plain",
                "resolution": "special" if is_special else "ordinary",
                "dividend": chance(2),
                "exclusive_group": "X" if chance(2) else None,
                "dual_threshold": is_special and chance(2),
                "per_class_threshold": is_special and chance(2),
            }
        )
    return motions


def _vote(draw, chance, scenario, seq):
    choose = lambda options: draw(st.sampled_from(options))  # noqa: E731
    row = choose(scenario["register"])
    holder = row["holder"]
    channel = choose(["link", "trading", "internet", "onsite"])
    if holder in scenario["nominees"] and channel == "trading":
        channel = "internet"
    times = ["09:14:59.999", "09:15:00.000", "09:27:00.000", "10:00:00.000", "10:00:00.000"]
    vote = {
        "seq": seq,
        "channel": channel,
        "at": choose([*times, "12:00:00.000", "15:00:00.000", "15:00:00.001"]),
        "class": choose([row["class"]] * 5 + list(scenario["meeting"]["capital"])),
    }
    if channel == "link":
        vote["holder"] = holder
    else:
        vote["account"] = "A999999999" if chance(12) else row["account"]
        if channel == "onsite" and chance(2):
            del vote["at"]
    shares = sum(
        r["shares"]
        for r in scenario["register"]
        if (r["holder"], r["class"]) == (holder, vote["class"])
    )
    is_split = holder in scenario["nominees"] or chance(15)
    if is_split:
        vote["declared"] = choose([shares, shares, shares // 2, 1, shares + 1])
    multiple = scenario["meeting"]["votes_per_share"].get(vote["class"], 1)
    choices = {}
    for motion in scenario["motions"]:
        if vote["class"] not in motion["classes"]:
            continue
        if not (is_split and channel == "link") and chance(5):
            continue  # a partial ballot
        times_ = 1 if motion["one_share_one_vote"] else multiple
        base = vote.get("declared", shares)
        if motion["kind"] == "cumulative":
            limit = base * motion["seats"] * times_
            choices[motion["number"]] = _votes(draw, chance, motion, limit)
        elif is_split:
            choices[motion["number"]] = _split(draw, chance, base)
        else:
            choices[motion["number"]] = choose(OPINIONS)
    vote["votes"] = choices
    return vote


def _votes(draw, chance, motion, limit):
    left, given = limit, {}
    for candidate in motion["candidates"]:
        votes = draw(st.sampled_from([0, left // 3, left // 2, left, limit // motion["seats"]]))
        given[candidate["number"]] = min(votes, left)
        left -= given[candidate["number"]]
    if chance(6):
        first = motion["candidates"][0]["number"]
        given[first] += left + 1
    return given


def _split(draw, chance, declared):
    in_favour = draw(st.sampled_from([0, declared // 3, declared // 2, declared]))
    against = draw(st.sampled_from([0, (declared - in_favour) // 2, declared - in_favour]))
    split = {"for": in_favour, "against": against, "abstain": declared - in_favour - against}
    if chance(10):
        split["abstain"] += 1
    elif chance(6) and split["abstain"]:
        split["abstain"] -= 1
    return split


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scenario=scenarios())
def test_the_tally_is_what_a_recount_by_hand_finds(scenario):
    expected = Recount(scenario).result()

    outcome = run_scenario(scenario | {"expect": expected})

    assert outcome["differences"] == []


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_the_recount_by_hand_agrees_with_the_examples(file):
    scenario = json.loads(file.read_text())

    found = Recount(scenario).result()

    for number, motion in scenario["expect"]["motions"].items():
        assert found["motions"][number].items() >= motion.items()
    assert found["attendance"] == scenario["expect"]["attendance"]
    assert found["vote_status"] == scenario["expect"]["vote_status"]
    assert found["superseded"] == scenario["expect"]["superseded"]
