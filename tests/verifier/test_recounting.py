"""Two counts of the same votes that share no line of code: the portal's and the verifier's."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ballots.scenario import run_scenario
from tests.ballots.test_recount_by_hand import scenarios
from tests.verifier.conftest import failed
from tests.verifier.scenario_books import ScenarioBook

pytestmark = pytest.mark.django_db
SCENARIOS = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.json"))


def flags_of(result, seqs):
    """The first flag of each vote of another channel, as the portal gave it."""
    status = result["vote_status"]
    return {seq: status[seq].removeprefix("flagged:").replace("accepted", "") for seq in seqs}


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_the_worked_examples_are_counted_again_to_the_last_figure(file, check):
    scenario = json.loads(file.read_text())
    result = run_scenario(copy.deepcopy(scenario))["result"]
    log = ScenarioBook(scenario, result)

    report = check(log.book)

    assert failed(report) == {}
    assert log.flags == flags_of(result, log.flags)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # shrinking plays thousands of meetings
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scenario=scenarios())
def test_random_meetings_over_all_channels_and_policies_are_counted_the_same(scenario, check):
    result = run_scenario(copy.deepcopy(scenario))["result"]
    log = ScenarioBook(scenario, result)

    report = check(log.book)

    assert failed(report) == {}
    assert log.flags == flags_of(result, log.flags)
