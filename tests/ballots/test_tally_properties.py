"""What must not matter to a tally, on random meetings over all channels, classes and policies."""

from __future__ import annotations

import copy
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ballots.scenario import run_scenario
from tests.ballots.test_recount_by_hand import scenarios

pytestmark = pytest.mark.django_db
LAST = "15:00:00.000"
OTHER_OPINION = {"for": "against", "against": "abstain", "abstain": "against"}
a_few = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # shrinking plays thousands of meetings
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def played(scenario):
    return run_scenario(copy.deepcopy(scenario))["result"]


def figures(result):
    """All that is announced; which numbers the invalid votes have is not."""
    motions = copy.deepcopy(result["motions"])
    for motion in motions.values():
        if "invalid_ballots" in motion:
            reasons = [invalid["reason"] for invalid in motion["invalid_ballots"]]
            motion["invalid_ballots"] = sorted(reasons)
    return {"attendance": result["attendance"], "motions": motions}


def is_answer(said):
    return isinstance(said, str) or any(said.values())


def holder_of(scenario, vote):
    if vote["channel"] == "link":
        return vote["holder"]
    holders = {row["account"]: row["holder"] for row in scenario["register"]}
    return holders.get(vote["account"])


@a_few
@given(scenario=scenarios(), data=st.data())
def test_the_order_in_which_different_holders_vote_never_matters(scenario, data):
    """Numbers are dealt out anew; each holder's own votes stay in their order."""
    queues = defaultdict(list)
    for vote in scenario["votes"]:
        queues[holder_of(scenario, vote)].append(vote)
    turns = data.draw(st.permutations([holder_of(scenario, v) for v in scenario["votes"]]))

    votes = [queues[holder].pop(0) | {"seq": seq} for seq, holder in enumerate(turns, start=1)]

    assert figures(played(scenario | {"votes": votes})) == figures(played(scenario))


@a_few
@given(scenario=scenarios(), data=st.data())
def test_shares_spread_over_more_accounts_count_the_same(scenario, data):
    """Each holding is cut in two; votes come from either account."""
    register, second = [], {}
    for row in scenario["register"]:
        part = data.draw(st.integers(0, row["shares"] - 1))
        register.append(row | {"shares": row["shares"] - part})
        if part:
            second[row["account"]] = f"A9{row['account'][2:]}"
            register.append(row | {"shares": part, "account": second[row["account"]]})
    votes = [
        vote | {"account": second[vote["account"]]}
        if vote.get("account") in second and data.draw(st.booleans())
        else vote
        for vote in scenario["votes"]
    ]

    spread = played(scenario | {"register": register, "votes": votes})

    whole = played(scenario)
    names = ("attendance", "motions", "vote_status", "superseded")
    assert {name: spread[name] for name in names} == {name: whole[name] for name in names}
    assert spread["register"]["accounts"] == whole["register"]["accounts"] + len(second)


@a_few
@given(scenario=scenarios())
def test_a_superseded_vote_changes_no_figure(scenario):
    """Whoever voted without a flag votes again on the same motions, later and otherwise."""
    before = played(scenario)
    again = []
    for vote in scenario["votes"]:
        holder = holder_of(scenario, vote)
        accounts = [row["account"] for row in scenario["register"] if row["holder"] == holder]
        if before["vote_status"][str(vote["seq"])] == "accepted" and vote.get("at", "") <= LAST:
            later = {"seq": len(scenario["votes"]) + len(again) + 1, "at": LAST}
            votes = {
                number: OTHER_OPINION[said] if isinstance(said, str) else said
                for number, said in vote["votes"].items()
            }
            later |= {"channel": "internet", "account": accounts[0], "votes": votes}
            again.append({name: vote[name] for name in vote if name != "holder"} | later)

    after = played(scenario | {"votes": scenario["votes"] + again})

    assert figures(after) == figures(before)
    listed = {(part["seq"], part["motion"]) for part in after["superseded"]}
    for vote in again:
        # A group left without a vote on our page is no answer, which a later vote may still give.
        assert listed >= {(vote["seq"], n) for n, said in vote["votes"].items() if is_answer(said)}


@a_few
@given(scenario=scenarios())
def test_the_opinions_on_a_motion_add_up_to_all_shares_present_and_entitled(scenario):
    """Who is present and neither recused nor, by the policy, without a vote says one of three."""
    usual = {"partial_missing_as": "ABSTAIN", "cumulative_base": "PRESENT_SHARES"}
    meeting = scenario["meeting"] | {"votes_per_share": {}}
    motions = [motion | {"recused": []} for motion in scenario["motions"]]
    policies = scenario["policies"] | usual

    result = played(scenario | {"meeting": meeting, "motions": motions, "policies": policies})

    present = {code: of["votes"] for code, of in result["attendance"]["classes"].items()}
    for motion in motions:
        found = result["motions"][motion["number"]]
        if motion["kind"] == "cumulative":
            assert found["present"] == sum(present[code] for code in motion["classes"])
            continue
        for code in motion["classes"]:
            row = found["classes"][code]
            assert row["for"] + row["against"] + row["abstain"] == present[code]
        ordinary = [code for code in motion["classes"] if code != "PREF"]
        total = found["total"]
        assert sum(total[name] for name in ("for", "against", "abstain")) == sum(
            present[code] for code in ordinary
        )
        if motion["dividend"] and "A" in ordinary:
            parts = (found["segments"][name] for name in ("ge5", "1to5", "lt1_small", "lt1_large"))
            assert sum(p["for"] + p["against"] + p["abstain"] for p in parts) == present["A"]
