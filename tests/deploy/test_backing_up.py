"""What stands beside PostgreSQL on one host: its archive, nightly base backups, a read replica.

The scripts of deploy/postgres as the containers run them, with real clusters; they come in by TCP,
by the deployed pg_hba.conf, with the replicator's password from its file.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from drills.clusters import CannotRecover, Cluster, program, run
from tests.house.test_nginx import free_port
from voting_portal.facts import FACTS

pytestmark = pytest.mark.servers
SCRIPTS = Path(settings.BASE_DIR) / "deploy" / "postgres"
VERIFY = """import pathlib, sys, drills.clusters
drills.clusters.verify_backup(pathlib.Path(sys.argv[-1]))"""


def verifier() -> list[str]:
    """A real pg_verifybackup of this version where there is one, or what drills have for it."""
    if found := shutil.which("pg_verifybackup"):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if "PostgreSQL) 18" in said.stdout:
            return [found]
    return ["env", f"PYTHONPATH={settings.BASE_DIR}", sys.executable, "-c", f"'{VERIFY}'"]


class Beside:
    """A running primary, and a way to run the scripts beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archive = folder, folder / "archive"
        self.programs, self.passfile = folder / "bin", folder / "passfile"
        self.archive.mkdir()
        self.programs.mkdir()
        self.passfile.write_text(f"*:*:*:replicator:{secrets.token_urlsafe(32)}\n")
        self.passfile.chmod(0o600)
        for name in ("pg_basebackup", "pg_archivecleanup", "psql", "postgres"):
            self.give(name, program(name))
        self.give("pg_verifybackup", verifier())
        self.port = free_port()
        self.primary = Cluster(folder / "primary")
        keep = f"ARCHIVE={self.archive} sh {SCRIPTS}/keep_segment.sh %p %f"
        self.primary.settings |= {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "hba_file": str(SCRIPTS / "pg_hba.conf"),
            "archive_mode": "on",
            "archive_command": keep,
            "wal_keep_size": "0",
            "fsync": "off",  # no machine dies here
            "min_wal_size": "32MB",
            "max_wal_size": "64MB",
        }

    def give(self, name: str, words: list[str], *, first: str = "") -> None:
        file = self.programs / name
        file.write_text(f'#!/bin/sh\n{first}\nexec {" ".join(words)} "$@"\n')
        file.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "ARCHIVE": str(self.archive),
            "PRIMARY": f"host=127.0.0.1 port={self.port} user=replicator passfile={self.passfile}",
            **more,
        }

    def run(self, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPTS / script), *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def back_up(self, *, keep: int) -> subprocess.CompletedProcess[str]:
        time.sleep(1)  # their names are seconds
        return self.run("back_up.sh", "once", BACKUPS_KEPT=str(keep))

    def write(self, word: str) -> None:
        """A row, and so much WAL behind it that it is in the archive."""
        with self.connect() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS said (word text)")
            connection.execute("INSERT INTO said VALUES (%s)", [word])
            ((segment,),) = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())")
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")
        until((self.archive / "wal" / segment).exists, f"{segment} in the archive")

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        where = f"host={self.primary.sockets} port={self.port} user=portal dbname=portal"
        return psycopg.connect(where, autocommit=True)

    @property
    def backups(self) -> list[str]:
        return sorted(path.name for path in (self.archive / "base").iterdir())

    @property
    def segments(self) -> list[str]:
        return sorted(p.name for p in (self.archive / "wal").iterdir() if len(p.name) == 24)

    def first_of(self, backup: str) -> str:
        """The segment from which a backup is recovered."""
        label = (self.archive / "base" / backup / "backup_label").read_text()
        return label.partition("(file ")[2][:24]


def until(is_so, what: str) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: it did not come"
        time.sleep(0.05)


def words_of(connection: psycopg.Connection[tuple[object, ...]]) -> list[object]:
    return [word for (word,) in connection.execute("SELECT word FROM said ORDER BY word")]


@pytest.fixture
def beside(tmp_path) -> Iterator[Beside]:
    made = Beside(tmp_path)
    cluster = made.primary
    run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=portal",
        "--pgdata", str(cluster.data))  # fmt: skip
    cluster.start()
    try:
        with psycopg.connect(
            f"host={cluster.sockets} port={made.port} user=portal dbname=postgres", autocommit=True
        ) as connection:
            connection.execute("CREATE DATABASE portal")
        done = made.run(
            "replicator.sh",
            PGHOST=str(cluster.sockets),
            PGPORT=str(made.port),
            POSTGRES_USER="portal",
            POSTGRES_DB="portal",
            REPLICATION_PASSFILE=str(made.passfile),
        )
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        cluster.stop()


def test_the_archive_keeps_what_can_be_recovered_and_no_more(beside, tmp_path):
    for word in ("a", "b", "c"):
        beside.write(word)
        done = beside.back_up(keep=2)
        assert done.returncode == 0, done.stderr
    beside.write("d")

    oldest = beside.backups[0]
    recovered = Cluster(tmp_path / "copy")
    try:
        recovered.recover(beside.archive / "base" / oldest, beside.archive / "wal")
        with recovered.connect() as connection:
            words = words_of(connection)
    finally:
        recovered.stop()

    assert len(beside.backups) == 2
    told = (beside.archive / "portal.prom").read_text().split()
    assert told[0] == "portal_backup_timestamp_seconds"
    assert int(told[1]) == pytest.approx(time.time(), abs=60)
    assert words == ["a", "b", "c", "d"]
    assert beside.segments[0] == beside.first_of(oldest)
    assert "too old, removed" in done.stdout


def test_an_archive_that_takes_nothing_is_late_until_it_takes_again(beside):
    (fact,) = (fact for fact in FACTS if fact.name == "portal_archive_behind_seconds")
    wal, away = beside.archive / "wal", beside.archive / "away"

    def behind() -> float:
        with beside.connect() as connection:
            return sum(float(seconds) for _label, seconds in connection.execute(fact.sql))

    beside.write("a")
    while_well = behind()
    wal.rename(away)
    wal.touch()
    with beside.connect() as connection:
        connection.execute("INSERT INTO said VALUES ('b')")
        connection.execute("SELECT pg_switch_wal()")
    until(lambda: behind() > 1, "the delay")
    wal.unlink()
    away.rename(wal)
    beside.write("c")

    assert while_well == 0
    until(lambda: behind() == 0, "the end of the delay")


def test_a_backup_that_is_not_what_was_copied_is_not_kept_and_removes_nothing(beside):
    beside.write("a")
    assert beside.back_up(keep=1).returncode == 0
    beside.write("b")
    backups, segments = beside.backups, beside.segments
    damage = "for last; do :; done; printf x >> $last/PG_VERSION"
    beside.give("pg_verifybackup", verifier(), first=damage)

    refused = beside.back_up(keep=1)

    assert refused.returncode != 0
    assert [name for name in beside.backups if not name.endswith(".part")] == backups
    assert set(segments) <= set(beside.segments)
    beside.give("pg_verifybackup", verifier())
    assert beside.back_up(keep=1).returncode == 0
    assert not [name for name in beside.backups if name.endswith(".part")]


def test_without_a_server_to_copy_nothing_is_removed(beside):
    beside.write("a")
    assert beside.back_up(keep=1).returncode == 0
    before = beside.backups, beside.segments
    run("pg_ctl", "stop", "--mode=immediate", "--silent", "--pgdata", str(beside.primary.data))

    refused = beside.back_up(keep=1)

    assert refused.returncode != 0
    assert (beside.backups, beside.segments) == before


@pytest.mark.parametrize("kept", ["0", "-1", "many", ""])
def test_a_number_of_backups_that_would_keep_none_is_refused(tmp_path, kept):
    done = subprocess.run(
        ["sh", str(SCRIPTS / "back_up.sh"), "once"],
        env={"PATH": os.environ["PATH"], "ARCHIVE": str(tmp_path), "BACKUPS_KEPT": kept or "x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "BACKUPS_KEPT must be" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_segment_is_kept_whole_once_and_never_replaced(tmp_path):
    def keep(content: bytes) -> int:
        (tmp_path / "segment").write_bytes(content)
        return subprocess.run(
            ["sh", str(SCRIPTS / "keep_segment.sh"), str(tmp_path / "segment"), "0001"],
            env={"PATH": os.environ["PATH"], "ARCHIVE": str(tmp_path)},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    first, same, other = keep(b"what was written"), keep(b"what was written"), keep(b"else")

    assert (first, same) == (0, 0)
    assert other != 0
    assert (tmp_path / "wal" / "0001").read_bytes() == b"what was written"
    assert [path.name for path in (tmp_path / "wal").iterdir()] == ["0001"]


class Replica:
    """The replica's container: `follow.sh` and the PostgreSQL that it becomes."""

    def __init__(self, beside: Beside) -> None:
        self.beside, self.data = beside, beside.folder / "replica" / "data"
        self.sockets = Path(tempfile.mkdtemp(prefix="replica-"))
        self.data.parent.mkdir()

    def start(self) -> None:
        own = {"unix_socket_directories": str(self.sockets), "port": "5433"}
        own |= {"listen_addresses": "", "hba_file": str(SCRIPTS / "pg_hba.conf")}
        own |= {"max_connections": "100", "hot_standby_feedback": "on", "archive_mode": "off"}
        self.running = subprocess.Popen(
            ["sh", str(SCRIPTS / "follow.sh"), *[f"-c{name}={own[name]}" for name in own]],
            env=self.beside.environment(PGDATA=str(self.data)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: self.ask("SELECT pg_is_in_recovery()") == [True], "the replica")

    def stop(self) -> None:
        self.running.terminate()
        self.running.wait(60)

    def ask(self, statement: str) -> list[object]:
        where = f"host={self.sockets} port=5433 user=portal dbname=portal"
        try:
            with psycopg.connect(where, autocommit=True) as connection:
                return [value for (value,) in connection.execute(statement)]
        except psycopg.Error as error:
            return [str(error)]

    def has(self, words: list[str]) -> bool:
        return self.ask("SELECT word FROM said ORDER BY word") == words


@pytest.fixture
def replica(beside) -> Iterator[Replica]:
    beside.write("a")
    made = Replica(beside)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.sockets)


def test_a_replica_follows_and_makes_the_primary_keep_nothing_for_it(beside, replica):
    until(lambda: replica.has(["a"]), "what was there when it was copied")
    streaming = replica.ask("SELECT status FROM pg_stat_wal_receiver")
    copied_at = (replica.data / "PG_VERSION").stat().st_mtime_ns
    replica.stop()

    for word in ("b", "c", "d", "e", "f", "g"):  # more than `max_wal_size`
        beside.write(word)
    replica.start()

    until(lambda: replica.has(["a", "b", "c", "d", "e", "f", "g"]), "what was written meanwhile")
    assert streaming == ["streaming"]
    assert (replica.data / "PG_VERSION").stat().st_mtime_ns == copied_at
    with beside.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)
    assert "read-only" in str(replica.ask("INSERT INTO said VALUES ('x') RETURNING word"))


def test_the_replicator_reads_no_table_and_comes_with_its_password_only(beside):
    place = f"host=127.0.0.1 port={beside.port} user=replicator"
    named = f"{place} passfile={beside.passfile}"

    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(f"{named} dbname=portal")
    with pytest.raises(CannotRecover, match="no password supplied"):
        run("pg_basebackup", f"--dbname={place} passfile=/dev/null", "--no-password",
            "--pgdata", str(beside.folder / "stolen"))  # fmt: skip
    assert not (beside.folder / "stolen").exists()
