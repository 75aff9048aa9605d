"""Staff's lists are read from a real streaming standby, and from the primary when it is unfit."""

from __future__ import annotations

import os
import signal
import time
from copy import deepcopy

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from meetings.models import Issuer
from tests.deploy.standby import PORT, standby
from tests.factories import make_issuer, make_operator
from voting_portal import embedded, env, replica
from voting_portal.facts import Facts

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        bool(env.optional("DATABASE_URL")), reason="LEFT OUT: no embedded server to copy"
    ),
]
ISSUERS = "/admin/meetings/issuer/"


@pytest.fixture(scope="module")
def copy(django_db_setup):
    with standby() as running:
        yield running


@pytest.fixture
def lists(transactional_db, copy, monkeypatch):
    """An installation with a replica; a way to ask what was read from it."""
    options = deepcopy(connection.settings_dict)
    options |= {"HOST": str(copy.sockets), "PORT": PORT}
    connections.databases["replica"] = options
    replica.forget()
    reading = connections["replica"]

    def connect() -> None:
        # Django keeps tests off databases that it has not emptied; nobody writes to this one.
        if reading.connection is None:
            with reading.wrap_database_errors:
                reading.connect()

    monkeypatch.setattr(reading, "ensure_connection", connect)
    with CaptureQueriesContext(reading) as seen:
        yield lambda: [q["sql"] for q in seen.captured_queries if "lsn" not in q["sql"]]
    reading.close()
    del connections["replica"]
    del connections.databases["replica"]
    replica.forget()


def wait_for(is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def staff():
    browser = Client()
    browser.force_login(make_operator())
    return browser


def test_a_list_is_read_from_the_replica_and_nothing_else_is(lists, staff):
    issuer = make_issuer(short_name="浦江科技")

    listed = staff.get(ISSUERS)

    assert "浦江科技" in listed.text
    assert lists()
    assert all("meetings_issuer" in sql for sql in lists())
    before = len(lists())
    for path in ("/admin/", f"{ISSUERS}{issuer.pk}/change/", "/staff/", "/help", "/v/"):
        staff.get(path)
    assert len(lists()) == before


def test_what_was_just_saved_is_in_the_list(lists, staff):
    for number in range(20):
        issuer = make_issuer(short_name=f"新名{number}")

        assert f"新名{number}" in staff.get(ISSUERS, {"q": issuer.security_code}).text

    assert len(lists()) >= 20


def test_a_replica_that_is_behind_is_left_alone(lists, staff, copy, caplog):
    copy.ask("SELECT pg_wal_replay_pause()")
    try:
        make_issuer(short_name="刚刚改名")
        began = time.monotonic()

        first = staff.get(ISSUERS)
        waited = time.monotonic() - began
        again = staff.get(ISSUERS)
    finally:
        copy.ask("SELECT pg_wal_replay_resume()")

    assert "刚刚改名" in first.text
    assert "刚刚改名" in again.text
    assert waited < 5
    assert lists() == []
    assert caplog.messages.count("the replica is behind: lists are read from the primary") == 1


def test_a_replica_that_is_gone_is_left_alone_until_it_is_back(lists, staff, copy):
    copy.stop()
    try:
        make_issuer(short_name="主库所见")

        text = staff.get(ISSUERS).text
    finally:
        copy.start()

    assert "主库所见" in text
    assert lists() == []
    replica.forget()
    assert "主库所见" in staff.get(ISSUERS).text
    assert lists()


def told() -> dict[str, list[float]]:
    """What the monitoring hears of the replica."""
    families = Facts(now=timezone.now()).collect()
    return {
        family.name.removeprefix("portal_replica_"): [s.value for s in family.samples]
        for family in families
        if family.name.startswith("portal_replica_")
    }


def test_the_monitoring_hears_how_old_the_replica_is(lists, copy):
    make_issuer()
    wait_for(lambda: told() == {"up": [1], "behind_seconds": [0]})

    copy.ask("SELECT pg_wal_replay_pause()")
    try:
        make_issuer()
        behind = told()
        time.sleep(0.2)
        later = told()
    finally:
        copy.ask("SELECT pg_wal_replay_resume()")

    assert behind["up"] == [1]
    assert 0 < behind["behind_seconds"][0] < later["behind_seconds"][0] - 0.1
    wait_for(lambda: told() == {"up": [1], "behind_seconds": [0]})


def test_the_monitoring_hears_that_the_replica_is_gone(lists, copy):
    copy.stop()
    try:
        gone = told()
    finally:
        copy.start()

    assert gone == {"up": [0], "behind_seconds": []}
    wait_for(lambda: told()["up"] == [1])


def test_a_replica_that_is_frozen_does_not_hold_the_monitoring_up(lists, copy):
    connections["replica"].settings_dict["OPTIONS"] |= {"connect_timeout": 1}
    wait_for(lambda: told()["up"] == [1])
    (postmaster, *_rest) = (copy.data / "postmaster.pid").read_text().split()
    os.kill(int(postmaster), signal.SIGSTOP)
    try:
        began = time.monotonic()
        frozen = told()
        took = time.monotonic() - began
    finally:
        os.kill(int(postmaster), signal.SIGCONT)

    assert frozen == {"up": [0], "behind_seconds": []}
    assert took < 8
    wait_for(lambda: told()["up"] == [1])


def test_where_there_is_no_replica_nothing_is_told_of_it(transactional_db):
    assert told() == {"up": [], "behind_seconds": []}


def test_a_post_from_a_list_is_decided_by_the_primary(lists, staff):
    make_issuer()

    staff.post(ISSUERS, {"action": "delete_selected", "_selected_action": ["1"]})

    assert lists() == []


def test_a_replica_takes_no_writes(lists):
    router = replica.ListRouter()

    assert router.db_for_write(Issuer) == "default"
    assert not router.allow_migrate("replica", "meetings")


def test_the_copy_is_a_standby_that_follows(copy):
    assert copy.ask("SELECT pg_is_in_recovery()") is True
    assert copy.ask("SELECT status FROM pg_stat_wal_receiver") == "streaming"
    assert embedded.postgres_is_running()
