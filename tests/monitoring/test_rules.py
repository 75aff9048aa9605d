"""One list of what is watched: rules, alarms, thresholds and the emergency plan go together."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from identity import limits
from voting_portal import detection
from voting_portal.common.roles import Role
from voting_portal.incidents.rules import RULES

ROOT = Path(settings.BASE_DIR)
ALERTS = (ROOT / "deploy" / "monitoring" / "alerts.yml").read_text()
# What only rates of requests tell, or what would stop detection itself.
PROMETHEUS_ALONE = {
    "PortalServerGone",
    "PortalDatabaseGone",
    "PortalRedisGone",
    "PortalTimerStands",
    "PortalBackupOld",
    "PortalReplicaBehind",
    "PortalBallotsFail",
    "PortalPagesFail",
    "PortalPagesSlow",
    "PortalCodesFail",
    "PortalLimitsHit",
    "PortalIncidentOpen",
}


def alarms() -> dict[str, str]:
    """The text of each alarm by its name."""
    parts = re.split(r"- alert: (\w+)\n", ALERTS)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def patience(text: str) -> timedelta:
    found = re.search(r"for: (\d+)([sm])", text)
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60}[found[2]]) if found else timedelta()


SHARED = [name for name in RULES if name in alarms()]


def test_every_alarm_is_a_rule_or_says_why_not():
    assert set(alarms()) - set(RULES) == PROMETHEUS_ALONE
    assert len(SHARED) > 10


@pytest.mark.parametrize("name", SHARED)
def test_a_rule_and_its_alarm_have_one_severity(name):
    assert f"severity: {RULES[name].severity.lower()}" in alarms()[name]


@pytest.mark.parametrize("name", [name for name in SHARED if name != "PortalLinksGuessed"])
def test_a_rule_is_as_patient_as_its_alarm(name):
    assert RULES[name].after == patience(alarms()[name])


@pytest.mark.parametrize("gauge", detection.GAUGES, ids=lambda g: f"{g.rule} {g.labels[0]}")
def test_a_rule_has_the_threshold_of_its_alarm(gauge):
    text = alarms()[gauge.rule]

    for label in gauge.labels:
        of_label = rf'{gauge.fact}(\{{\w+(=|=~)"[^"]*{label}[^"]*"\}})?\)? > {gauge.above:g}\b'
        assert re.search(of_label, text), of_label


def test_the_other_thresholds_are_the_alarms_too():
    assert "> 0.8" in alarms()["PortalConnectionsRunOut"]
    assert f"> {detection.LINKS_A_MINUTE // 60}" in alarms()["PortalLinksGuessed"]


def test_every_rule_is_looked_for_or_raised_where_it_happens():
    looked_for = {gauge.rule for gauge in detection.GAUGES} | set(detection.LOOKS)

    assert set(RULES) - looked_for == {"PortalCanaryOpened"}
    assert looked_for <= set(RULES)


def test_every_queue_is_watched():
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    (gauge,) = (g for g in detection.GAUGES if g.rule == "PortalQueueLong")

    assert set(gauge.labels) == queues | {settings.CELERY_TASK_DEFAULT_QUEUE}


def test_every_limit_with_an_alarm_is_watched():
    looks = (ROOT / "voting_portal" / "detection.py").read_text()
    with_alarm = [
        name
        for name, found in vars(limits).items()
        if getattr(found, "alarm_at", 0) and name.isupper()
    ]

    assert len(with_alarm) > 5
    assert not [name for name in with_alarm if f"limits.{name}" not in looks]


def test_every_pattern_of_an_attack_names_what_sees_it():
    record = (ROOT / "docs" / "security.md").read_text()
    part = record.partition("\n## Patterns that are looked for\n")[2].partition("\n## ")[0]
    of_security = {name for name, rule in RULES.items() if rule.role == Role.SECURITY}

    named = set(re.findall(r"`(Portal\w+)`", part))

    assert named <= set(RULES) | set(alarms())
    assert of_security <= named


@pytest.mark.parametrize("name", RULES)
def test_every_rule_leads_to_its_part_of_the_emergency_plan(name):
    plan = (ROOT / "docs" / "operations.md").read_text()

    assert f"\n#### {name}\n" in plan
    assert RULES[name].runbook == f"docs/operations.md#{name.lower()}"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_what_was_seen_can_be_said_in_words(rule, language):
    seen = {"value": 7, "what": "x", "meeting": 3, "canary": 1}

    with translation.override(language):
        said = str(rule.words) % seen

    assert said
    assert "%(" not in said
