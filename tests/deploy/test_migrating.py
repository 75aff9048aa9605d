"""A migration under traffic waits for a lock shortly, steps aside, and tries again."""

from __future__ import annotations

import threading
import time
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate as core
from django.db import connection

from tests.deploy.serving import database_url
from voting_portal.management.commands import migrate

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
CHANGE = "ALTER TABLE scratch ADD COLUMN IF NOT EXISTS more int"


@pytest.fixture
def table(transactional_db, monkeypatch):
    """A table, and a migration that changes it."""
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.5)

    def change(_command, *_args, **_options):
        with connection.cursor() as cursor:
            cursor.execute(CHANGE)

    monkeypatch.setattr(core.Command, "handle", change)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (id int)")
    yield "scratch"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE scratch")


@pytest.fixture
def long_reader(table):
    """Somebody who reads the table in a transaction that does not end."""
    with psycopg.connect(database_url()) as conn:
        conn.execute(f"SELECT * FROM {table}")
        yield conn


def columns() -> set[str]:
    with connection.cursor() as cursor:
        return {c.name for c in connection.introspection.get_table_description(cursor, "scratch")}


def test_it_goes_on_when_the_table_is_free_again(long_reader):
    said = StringIO()
    leaves = threading.Timer(2.5, long_reader.rollback)
    leaves.start()

    call_command("migrate", stderr=said)
    leaves.join()

    assert columns() == {"id", "more"}
    assert "A table is in use; try 1 of 40 gave up." in said.getvalue()


def test_nobody_waits_behind_it_longer_than_it_waits_itself(long_reader, table):
    waits: list[float] = []
    over = threading.Event()

    def read() -> None:
        with psycopg.connect(database_url(), autocommit=True) as conn:
            while not over.is_set():
                began = time.monotonic()
                conn.execute(f"SELECT * FROM {table}")
                waits.append(time.monotonic() - began)
                time.sleep(0.01)

    reading = threading.Thread(target=read)
    reading.start()

    with pytest.raises(CommandError, match="No lock in 3 tries"):
        call_command("migrate", tries=3, stderr=StringIO())
    over.set()
    reading.join()

    assert columns() == {"id"}
    assert len(waits) > 3
    assert 0.3 < max(waits) < 3


def test_two_at_once_take_turns(table, monkeypatch):
    order = []

    def slow(_command, *_args, **_options):
        order.append("begins")
        time.sleep(0.5)
        order.append("ends")

    monkeypatch.setattr(core.Command, "handle", slow)

    def run() -> None:
        call_command("migrate")
        connection.close()

    both = [threading.Thread(target=run) for _each in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert order == ["begins", "ends"] * 2


def test_afterwards_the_connection_has_its_own_patience_again(table):
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()

    call_command("migrate")

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == before


def test_another_fault_is_not_tried_again(table, monkeypatch):
    monkeypatch.setattr(
        core.Command, "handle", lambda *_args, **_options: (_ for _ in ()).throw(CommandError("no"))
    )

    with pytest.raises(CommandError, match="no"):
        call_command("migrate")
