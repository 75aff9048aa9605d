"""A streaming standby of the embedded PostgreSQL, for a test: a real copy that replays."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from voting_portal import embedded

PORT = "5433"


class Standby:
    """A running standby; its sockets lie in `sockets`."""

    def __init__(self, data: Path, sockets: Path) -> None:
        self.data, self.sockets = data, sockets

    def start(self) -> None:
        own = {"unix_socket_directories": str(self.sockets), "port": PORT}
        settings = {**embedded.POSTGRES_SETTINGS, **own, "shared_buffers": "64MB"}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = str(self.sockets / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", log, "--options", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "--silent")

    def ask(self, statement: str) -> object:
        """What the standby itself says; for holding its replay back, too."""
        where = f"host={self.sockets} port={PORT} user=portal dbname=portal"
        with psycopg.connect(where, autocommit=True) as conn:
            row = conn.execute(statement).fetchone()
        return row[0] if row else None

    def _run(self, name: str, *arguments: str) -> None:
        program = [*embedded._postgres_program(name), *arguments, "--pgdata", str(self.data)]
        subprocess.run(program, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def standby() -> Iterator[Standby]:
    """Copy the embedded server while it runs and follow it until the block ends."""
    place = Path(tempfile.mkdtemp(prefix="standby-"))
    data = place / "data"
    copying = [
        *embedded._postgres_program("pg_basebackup"),
        *("--host", str(embedded.SOCKETS), "--username=portal", "--pgdata", str(data)),
        *("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream"),
    ]
    try:
        subprocess.run(copying, check=True, capture_output=True)
        running = Standby(data, place)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(place)
