"""Probes: what they answer, and what they do not depend on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.test import override_settings
from django.utils import timezone

from ballots.models import QueuedEntry
from voting_portal import health


def test_a_living_process_says_so_without_a_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/live")

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_ready_means_that_the_database_answers_and_is_migrated(client, db):
    answer = client.get("/ready")

    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "redis": "ok", "log": "ok", "clock": "ok"}
    assert "no-store" in answer["Cache-Control"]


def test_a_broken_promise_of_the_ballot_log_is_reported_and_takes_no_server_away(client, db):
    late = timezone.now() - timedelta(seconds=61)
    QueuedEntry.objects.create(
        meeting_id=1, kind=2, subject=1, commitment=bytes(32), queued_at=late
    )

    answer = client.get("/ready")

    assert answer.status_code == 200
    assert answer.json()["log"] == "behind"


@pytest.mark.parametrize(("off", "status"), [(29, 200), (-31, 503), (540, 503)])
def test_a_server_whose_clock_is_off_says_so_and_gets_no_holders(
    client, db, monkeypatch, off, status
):
    wrong = timezone.now() + timedelta(seconds=off)
    monkeypatch.setattr(health.timezone, "now", lambda: wrong)

    answer = client.get("/ready")

    assert answer.status_code == status
    assert answer.json()["clock"] == ("ok" if status == 200 else f"off by {off:+} s")


def test_a_version_whose_tables_are_not_there_yet_is_not_ready(client, db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ballots'")

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["database"] == "migrations missing"


def test_an_empty_database_answers_and_is_not_ready(client, db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO elsewhere")

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["database"] == "migrations missing"


def test_a_database_that_does_not_answer_is_not_ready(client, db, monkeypatch):
    def refuse(*_arguments: object) -> None:
        raise OperationalError

    monkeypatch.setattr(health.transaction, "atomic", refuse)

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["database"] == "no answer"


def test_without_redis_a_server_stays_ready_since_voting_goes_on(client, db):
    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}

    with override_settings(CACHES={"default": nowhere}):
        answer = client.get("/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "database": "ok",
        "redis": "no answer",
        "log": "ok",
        "clock": "ok",
    }


@pytest.mark.parametrize("probe", ["/live", "/ready"])
def test_probes_are_read_only(client, db, probe):
    assert client.post(probe).status_code == 405


def test_a_database_that_may_lose_votes_fails_the_check(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")

    found = run_checks(tags=["database"], databases=["default"])

    assert [problem.id for problem in found] == ["portal.E004"]


def test_the_test_database_itself_passes_that_check(db):
    assert run_checks(tags=["database"], databases=["default"]) == []


def test_the_images_health_check_tells_a_dead_server():
    script = Path(settings.BASE_DIR) / "deploy" / "is_live.py"
    environment = {**os.environ, "ALLOWED_HOSTS": "vote.example", "WEB_BIND": "0.0.0.0:1"}

    done = subprocess.run([sys.executable, script], env=environment, check=False)

    assert done.returncode == 1


def test_the_images_health_check_asks_under_a_name_that_is_answered(live_server, settings):
    settings.ALLOWED_HOSTS = ["vote.example"]
    script = Path(settings.BASE_DIR) / "deploy" / "is_live.py"
    bind = live_server.url.removeprefix("http://")
    environment = {**os.environ, "ALLOWED_HOSTS": "vote.example", "WEB_BIND": bind}

    done = subprocess.run([sys.executable, script], env=environment, check=False)

    assert done.returncode == 0
