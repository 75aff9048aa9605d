"""A register's file comes in sealed parts and is loaded in the background, killed or not."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from meetings.models import Holder, Meeting, Register, RegisterPart
from meetings.register import receiving
from meetings.register.filling import AlreadyInvited
from meetings.register.loading import approve_register
from meetings.register.receiving import IncomingFile, load_next, receive_register
from meetings.register.synthetic import write_register
from tests.meetings.register.files import RECORD_DATE, SAMPLES, csv_file, row, sample_meeting
from voting_portal.common import locks, sealing

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
# Enough for a moment to be hit; a register of the largest companies has 2,000,000.
KILLED_HOLDERS = int(os.environ.get("KILLED_REGISTER_HOLDERS", "60000"))


def receive(meeting: Meeting, content: bytes, name: str = "register.csv", **stated) -> Register:
    with transaction.atomic():
        file = IncomingFile(meeting.pk)
        for start in range(0, len(content), 100_000):
            file.write(content[start : start + 100_000])
        file.finish()
        return receive_register(
            meeting.pk, file, file_name=name, by="operator:1", now=NOW, **stated
        )


def tables_of(meeting: Meeting) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s",
            [rf"_m{meeting.pk}(_|$)|^(rows|persons)_"],
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize(
    "name", ["t1_600000_20260623.dbf", "t1_600000_20260623.zip", "register.xlsx"]
)
def test_a_received_file_is_loaded_from_its_parts(name, monkeypatch):
    monkeypatch.setattr(receiving, "PART_BYTES", 5_000)  # every reader crosses many edges
    meeting = sample_meeting()
    content = (SAMPLES / name).read_bytes()
    register = receive(meeting, content, name)
    assert register.state == "RECEIVED"
    assert register.sha256 == hashlib.sha256(content).hexdigest()
    assert RegisterPart.objects.count() == -(-len(content) // 5_000)

    assert load_next(now=NOW)

    register.refresh_from_db()
    assert (register.state, register.errors, register.progress) == ("CHECKED", [], 100)
    assert not RegisterPart.objects.exists()
    assert not load_next(now=NOW)
    approve_register(register.pk, by="operator:2", now=NOW)
    assert Holder.objects.of_meeting(meeting.pk).count() == register.holders
    verbs = list(meeting.journal.order_by("id").values_list("verb", "actor"))
    assert verbs[1:3] == [
        ("register.received", "operator:1"),
        ("register.checked", "operator:1"),
    ]


def test_a_refused_file_leaves_no_part_and_no_table():
    meeting = sample_meeting()
    before = tables_of(meeting)
    register = receive(meeting, (SAMPLES / "bad_zero_shares.csv").read_bytes())

    load_next(now=NOW)

    register.refresh_from_db()
    assert (register.state, register.rows_refused) == ("REFUSED", 40)
    assert [error["kind"] for error in register.errors] == ["QTY_ZERO"]
    assert not RegisterPart.objects.exists()
    assert tables_of(meeting) == before


def test_what_the_side_form_says_is_kept_and_compared():
    meeting = sample_meeting()
    content = csv_file(row("A000000001")).getvalue()
    register = receive(meeting, content, stated_holders=2, stated_shares=100)

    load_next(now=NOW)

    register.refresh_from_db()
    assert (register.stated_accounts, register.stated_shares) == (2, 100)
    assert [error["kind"] for error in register.errors] == ["TOTAL_ACCOUNTS"]


def test_parts_are_sealed_and_open_in_their_place_only():
    meeting = sample_meeting()
    register = receive(meeting, csv_file(row("A000000001")).getvalue())

    part = RegisterPart.objects.get()

    assert "张拟三".encode() not in bytes(part.sealed)
    RegisterPart.objects.update(number=1)
    RegisterPart.objects.create(register=register, number=0, sealed=b"\1" + bytes(100))
    with pytest.raises(sealing.CannotOpen):
        load_next(now=NOW)
    assert Register.objects.get().state == "RECEIVED"


def test_a_register_that_came_before_the_invitation_is_refused_after_it():
    meeting = sample_meeting()
    register = receive(meeting, csv_file(row("A000000001")).getvalue())
    Meeting.objects.filter(pk=meeting.pk).update(state="INVITED")

    load_next(now=NOW)

    register.refresh_from_db()
    assert (register.state, register.errors[0]["kind"]) == ("REFUSED", "AFTER_INVITATION")
    assert not RegisterPart.objects.exists()
    with pytest.raises(AlreadyInvited):
        receive(meeting, b"another")
    assert not RegisterPart.objects.exists()
    assert Register.objects.count() == 1


def test_a_file_that_ends_its_worker_each_time_is_given_up():
    meeting = sample_meeting()
    register = receive(meeting, csv_file(row("A000000001")).getvalue())
    RegisterPart.objects.update(sealed=b"\1" + bytes(100))

    for _try in range(receiving.MOST_TRIES):
        with pytest.raises(sealing.CannotOpen):
            load_next(now=NOW)
    load_next(now=NOW)

    register.refresh_from_db()
    assert (register.state, register.errors[0]["kind"]) == ("REFUSED", "CANNOT_LOAD")


def test_a_register_that_another_worker_loads_is_left_to_it():
    meeting, other = sample_meeting(), Meeting.objects
    register = receive(meeting, csv_file(row("A000000001")).getvalue())
    busy = connection.copy()
    with busy.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [locks.REGISTER, meeting.pk])

        found = load_next(now=NOW)

        cursor.execute("ROLLBACK")
    busy.close()
    assert not found
    assert other.count() == 1
    register.refresh_from_db()
    assert (register.state, register.tries) == ("RECEIVED", 0)
    assert load_next(now=NOW)


def start_worker(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A real worker with its timer, as compose starts the one for registers."""
    database = connection.settings_dict
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    names |= {"HOST": "host", "PORT": "port"}
    server = {name: database[key] for key, name in names.items() if database[key]}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "voting_portal", "worker", "--beat"),
            *("--schedule", str(tmp_path / "beat"), "--queues=registers", "--concurrency=1"),
            *("--loglevel=WARNING", "--without-gossip", "--without-mingle"),
        ],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": make_conninfo(**server),
            "REDIS_URL": settings.REDIS_URL,
            "PGAPPNAME": "register-worker",
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(worker: subprocess.Popen[bytes]) -> None:
    """kill -9 of the worker and its children, and wait until the database has noticed."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    wait_until(lambda: backends() == 0)


def backends() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'register-worker'"
        )
        ((number,),) = cursor.fetchall()
    return number


def wait_until(is_so, *, seconds: float = 60 + KILLED_HOLDERS / 10_000) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


@pytest.mark.servers
@pytest.mark.parametrize(
    "statement", ["^COPY", "FETCH|DELETE|INSERT INTO .meetings_holding", "CREATE INDEX|ANALYZE"]
)
def test_a_killed_worker_leaves_nothing_and_the_next_one_succeeds(tmp_path, statement):
    path = tmp_path / "t1.dbf"
    stated = write_register(
        path,
        holders=KILLED_HOLDERS,
        format="dbf",
        seed=3,
        security_code="600000",
        record_date=RECORD_DATE,
    )
    meeting = sample_meeting(capital=10**15)
    before = tables_of(meeting)
    register = receive(meeting, path.read_bytes(), path.name, stated_holders=stated.accounts)

    def state() -> Register:
        return Register.objects.get(pk=register.pk)

    def is_at_the_statement() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'register-worker'"
                " AND query ~ %s",
                [statement],
            )
            return cursor.fetchone() != (0,)

    worker = start_worker(tmp_path)
    try:
        wait_until(is_at_the_statement)
    finally:
        kill(worker)

    assert state().state == "RECEIVED"
    assert tables_of(meeting) == before
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    worker = start_worker(tmp_path)
    try:
        wait_until(lambda: state().state != "RECEIVED")
    finally:
        kill(worker)
    loaded = state()
    assert (loaded.state, loaded.errors, loaded.tries) == ("CHECKED", [], 2)
    assert (loaded.rows_loaded, loaded.accounts) == (stated.rows, stated.accounts)
    assert not RegisterPart.objects.exists()
    approve_register(register.pk, by="operator:2", now=NOW)
    assert Holder.objects.of_meeting(meeting.pk).count() == stated.holders


def test_a_file_can_be_read_here_and_there(monkeypatch):
    monkeypatch.setattr(receiving, "PART_BYTES", 7)
    meeting = sample_meeting()
    content = bytes(range(100))
    register = Register.objects.defer(None).get(pk=receive(meeting, content).pk)

    with receiving._SideLine(register) as line:
        file = io.BufferedReader(line, 16)
        assert file.read() == content
        assert file.seek(0, io.SEEK_END) == 100
        assert file.read(5) == b""
        file.seek(20)
        assert file.read(30) == content[20:50]
        assert file.tell() == 50


def test_progress_is_seen_while_the_load_itself_is_not(monkeypatch):
    monkeypatch.setattr(receiving, "PROGRESS_SECONDS", 0)
    monkeypatch.setattr("meetings.register.chunks.BLOCK_BYTES", 1 << 16)
    meeting = sample_meeting()
    rows = [row(f"A{number:09d}", ymt=f"18{number:010d}") for number in range(40_000)]
    register = receive(meeting, csv_file(*rows).getvalue())
    beside = connection.copy()
    seen = []
    fill = receiving.filling.fill_tables

    def watched(register, file, *, progress):
        def tell(part):
            progress(part)
            with beside.cursor() as cursor:
                cursor.execute("SELECT state, progress, tries FROM meetings_register")
                seen.append(cursor.fetchone())

        return fill(register, file, progress=tell)

    monkeypatch.setattr(receiving.filling, "fill_tables", watched)
    load_next(now=NOW)
    beside.close()

    states, progress, tries = zip(*seen, strict=True)
    assert set(states) == {"RECEIVED"}
    assert set(tries) == {1}
    assert list(progress) == sorted(progress)
    assert len(set(progress)) > 2
    register.refresh_from_db()
    assert register.state == "CHECKED"
