"""PostgreSQL clusters to be destroyed and recovered: made, backed up, killed and restored for real.

The programs are those of the embedded PostgreSQL. A cluster streams its WAL into an archive, as a
second machine would take it, synchronously if asked: then nothing is acknowledged to anybody that
is not in the archive, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

import psycopg

from voting_portal import embedded

WAIT_SECONDS = 60
RECEIVER = "wal_archive"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "wal_level": "replica",
    "max_wal_senders": "5",
}


class CannotRecover(Exception):
    """A cluster did not come up; the text says what PostgreSQL said."""


class Cluster:
    """One PostgreSQL in a folder of its own, reached by a socket."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.archive = folder / "wal"
        self.sockets = Path(tempfile.mkdtemp(prefix="cluster-"))  # a socket's path must be short
        self.settings = {**SETTINGS, "unix_socket_directories": str(self.sockets)}
        self.receiver: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"postgresql://portal@/portal?host={self.sockets}"

    def make(self) -> None:
        """A new, empty cluster that runs, with the database `portal`."""
        run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=portal",
            "--pgdata", str(self.data))  # fmt: skip
        self.start()
        with self.connect("postgres") as connection:
            connection.execute("CREATE DATABASE portal")

    def start(self) -> None:
        options = " ".join(f"-c {name}='{value}'" for name, value in self.settings.items())
        run("pg_ctl", "start", "--wait", f"--timeout={WAIT_SECONDS}", "--silent",
            "--pgdata", str(self.data), "--log", str(self.log), "--options", options)  # fmt: skip

    def connect(self, database: str = "portal") -> psycopg.Connection[tuple[object, ...]]:
        url = self.url.replace("/portal?", f"/{database}?")
        return psycopg.connect(url, autocommit=True)

    def stream_wal(self, *, synchronous: bool) -> None:
        """Take the WAL into the archive as it is written; `synchronous`: before it counts."""
        self.archive.mkdir(mode=0o700, exist_ok=True)
        place = f"host={self.sockets} user=portal application_name={RECEIVER}"
        slot = ["--slot", RECEIVER]
        run("pg_receivewal", "--dbname", place, *slot, "--create-slot", "--if-not-exists")
        command = [*program("pg_receivewal"), "--dbname", place, *slot, "--no-loop"]
        command += ["--directory", str(self.archive), "--synchronous"]
        self.receiver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._wait_for("SELECT count(*) > 0 FROM pg_stat_replication", "the WAL's receiver")
        if synchronous:
            with self.connect() as connection:
                connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{RECEIVER}'")
                connection.execute("SELECT pg_reload_conf()")
            self._wait_for(
                "SELECT sync_state = 'sync' FROM pg_stat_replication", "a synchronous receiver"
            )

    def back_up(self, target: Path) -> float:
        """Take a base backup while everything goes on, and verify it; how many seconds it took."""
        began = time.monotonic()
        place = f"host={self.sockets} user=portal"
        run("pg_basebackup", "--dbname", place, "--pgdata", str(target), "--wal-method=stream",
            "--checkpoint=fast", "--manifest-checksums=SHA256")  # fmt: skip
        verify_backup(target)
        return time.monotonic() - began

    def kill(self) -> None:
        """As when the machine dies: kill -9, without a last word."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self._wait_until_gone()
        self.end_receiver()

    def stop(self) -> None:
        """End it in order, and what it left in the temporary directory."""
        self.end_receiver()
        if (self.data / "postmaster.pid").exists():
            run("pg_ctl", "stop", "--mode=immediate", "--silent", "--pgdata", str(self.data))
        shutil.rmtree(self.sockets, ignore_errors=True)

    def end_receiver(self) -> None:
        if self.receiver is not None:
            self.receiver.terminate()
            self.receiver.wait(WAIT_SECONDS)
            self.receiver = None

    def recover(self, backup: Path, archive: Path, *, until: datetime | None = None) -> None:
        """Become what a base backup and the archive make, up to its end or to a moment.

        Returns when it takes writes.
        """
        shutil.copytree(backup, self.data)
        # The last segment that was received is not whole and has another name.
        whole, begun = f"cp {archive}/%f %p", f"cp {archive}/%f.partial %p"
        lines = [
            f"restore_command = '{whole} 2>/dev/null || {begun} 2>/dev/null'",
            "recovery_target_action = 'promote'",
            "synchronous_standby_names = ''",
        ]
        if until is not None:
            lines.append(f"recovery_target_time = '{until.isoformat()}'")
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        (self.data / "recovery.signal").touch()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()
        self._wait_for("SELECT NOT pg_is_in_recovery()", "the end of the recovery")

    def _wait_for(self, question: str, what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                with self.connect() as connection:
                    answer = connection.execute(question).fetchone()
            except psycopg.OperationalError:
                answer = None
            if answer and answer[0]:
                return
            time.sleep(0.02)
        raise CannotRecover(f"{what} did not come in {WAIT_SECONDS} s; see {self.log}")

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while embedded._is_worked_in(self.data):
            if time.monotonic() > deadline:
                raise CannotRecover(f"processes of {self.data} do not end")
            time.sleep(0.02)


def verify_backup(backup: Path) -> None:
    """Every file of a base backup is there and is what its manifest says; CannotRecover.

    What pg_verifybackup does; the wheel's own crashes on every call.
    """
    text = (backup / "backup_manifest").read_bytes()
    manifest = json.loads(text)
    signed = text[: text.rindex(b'"Manifest-Checksum"')]
    if hashlib.sha256(signed).hexdigest() != manifest["Manifest-Checksum"]:
        raise CannotRecover("the manifest of the backup was changed")
    for file in manifest["Files"]:
        with (backup / file["Path"]).open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != file["Checksum"]:
                raise CannotRecover(f"{file['Path']} is not as it was backed up")


def program(name: str) -> list[str]:
    """The command line of a PostgreSQL program."""
    return embedded._postgres_program(name)


def run(name: str, *arguments: str) -> None:
    """Run a PostgreSQL program to its end; CannotRecover with what it said when it fails."""
    with tempfile.TemporaryFile("w+") as output:  # a server that stays would keep a pipe open
        command = [*program(name), *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if done.returncode:
            output.seek(0)
            raise CannotRecover(f"{name} failed: {output.read().strip()}")
