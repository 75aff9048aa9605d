"""Alarms and the dashboard: what they name is exported, explained, and goes off when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from voting_portal import tasks
from voting_portal.incidents.rules import RULES

ROOT = Path(settings.BASE_DIR)
MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = (MONITORING / "alerts.yml").read_text()
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="LEFT OUT: no promtool (Debian: prometheus); the alarms were not tried out",
)


def alarms() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS)


def metrics_named(text: str) -> set[str]:
    return set(re.findall(r"\bportal_[a-z_]+\b", text))


@pytest.fixture
def exported(db, scraper) -> set[str]:
    """Names of all series, with those that no request of the tests may have caused yet, and those
    that a node_exporter reads beside the database."""
    tasks.note_the_time()
    beside = (ROOT / "deploy" / "postgres" / "back_up.sh").read_text()
    return set(re.findall(r"^# TYPE (portal_\w+)", scraper.text(), re.MULTILINE)) | set(
        re.findall(r'echo "(portal_\w+) ', beside)
    )


@pytest.mark.parametrize("file", ["alerts.yml", "alerts.test.yml", "dashboard.json"])
def test_every_metric_that_is_named_is_exported(exported, file):
    named = metrics_named((MONITORING / file).read_text())
    known = {name.removesuffix("_total") for name in exported}

    unknown = {
        name for name in named if re.sub(r"_(?:total|bucket|count|sum)$", "", name) not in known
    }

    assert len(named) > 10
    assert not unknown


def test_every_metric_is_on_the_dashboard(exported):
    shown = metrics_named((MONITORING / "dashboard.json").read_text())
    known = {re.sub(r"_(?:total|bucket|count|sum)$", "", name) for name in shown}

    assert {re.sub(r"_(?:total|created)$", "", name) for name in exported} <= known


def test_every_alarm_says_what_to_do_in_the_emergency_plan():
    plan = (ROOT / "docs" / "operations.md").read_text()

    explained = re.findall(r"^#### (Portal\w+)$", plan, re.MULTILINE)

    seen_by_the_portal_alone = [name for name in RULES if name not in alarms()]
    assert explained == alarms() + seen_by_the_portal_alone


def test_every_alarm_is_tried_out():
    tried = (MONITORING / "alerts.test.yml").read_text()

    going_off = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", tried))

    assert going_off == set(alarms())


def test_the_dashboard_asks_one_source_and_its_panels_do_not_overlap():
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    panels = dashboard["panels"]

    places = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(places) == len(set(places))
    assert max(x for x, _y in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    asked = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert asked == {"${datasource}"}


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_finds_nothing_wrong(command):
    done = subprocess.run(
        [str(PROMTOOL), *command], cwd=MONITORING, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_queries_of_the_dashboard_are_well_formed(tmp_path):
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]
    rules = [{"record": f"panel:{number}", "expr": q} for number, q in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert len(queries) > 15
    assert done.returncode == 0, done.stdout + done.stderr
