"""The portal as it is deployed, for a test: gunicorn with deploy/gunicorn.conf.py, a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from bench.open_page import wait_for
from tests.sessions import wait_until_alone


class Served:
    """A running gunicorn: its port, its process, its log."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def send(self, name: int) -> None:
        os.kill(self.process.pid, name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url(*, host: str = "", port: str = "") -> str:
    """The test's database as a variable, by another server's socket or port if asked."""
    database = connection.settings_dict
    host = host or str(database["HOST"])
    return f"postgresql://{database['USER']}@/{database['NAME']}?host={host}&port={port or 5432}"


@contextmanager
def gunicorn(
    directory: Path, *, workers: int = 2, threads: int = 4, **environment: str
) -> Iterator[Served]:
    """Serve the test's database until the block ends; what it committed is seen."""
    port, log = free_port(), directory / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"),
                *("--bind", f"127.0.0.1:{port}", "--workers", str(workers)),
                *("--threads", str(threads), "voting_portal.wsgi:application"),
            ],
            cwd=settings.BASE_DIR,
            env=os.environ
            | {"DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
            | {"ACCESS_LOG": "off", "ALLOWED_HOSTS": "127.0.0.1,vote.example"}
            | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port)
        yield Served(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        if "DATABASE_POOLED" not in environment:  # a pool's sessions stay as long as the pool
            wait_until_alone()
