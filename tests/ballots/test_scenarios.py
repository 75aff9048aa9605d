"""The worked examples: whole meetings with the tally that must come out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ballots.scenario import run_scenario
from meetings.models import Meeting

pytestmark = pytest.mark.django_db
SCENARIOS = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.json"))


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_comes_out_as_it_must(file):
    outcome = run_scenario(json.loads(file.read_text()))

    assert outcome["differences"] == []
    assert not Meeting.objects.exists()
