"""The processes of a checkout's own installation: web server, worker with timer, sequencer,
simulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from django.conf import settings

WAIT_SECONDS = 30
STOP_SECONDS = 10


class CannotStart(Exception):
    """A process did not come up; the message says what to do."""


class Processes:
    """Start together, stop together; logs go to `.data/logs`."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        web, simulator = (urlsplit(u) for u in (settings.PUBLIC_URL, settings.SIMULATOR_URL))
        for port in (web.port, simulator.port):
            _refuse_taken_port(port or 0)
        schedule = settings.BASE_DIR / ".data" / "celerybeat-schedule"
        try:
            self._start("simulator", "manage.py", "run_simulator", "--port", str(simulator.port))
            self._start(
                "worker",
                *("-m", "celery", "--app=voting_portal", "worker", "--beat"),
                *(f"--schedule={schedule}-{web.port}", "--queues=sending,periodic,registers"),
                *("--concurrency=2", "--loglevel=WARNING", "--without-gossip", "--without-mingle"),
            )
            self._start("sequencer", "manage.py", "run_sequencer")
            self._start(
                "web",
                *("-m", "gunicorn", "--config=deploy/gunicorn.conf.py"),
                *(f"--bind=127.0.0.1:{web.port}", "voting_portal.wsgi:application"),
            )
            for name, port in (("simulator", simulator.port), ("web", web.port)):
                self._wait_for(name, port or 0)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def watch(self) -> str:
        """Wait until one of the processes ends; return its name."""
        while True:
            for name, process in self.running.items():
                if process.poll() is not None:
                    return name
            time.sleep(0.5)

    def stop(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Each leads a group of its own: a worker's children must not outlive it.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()

    def _start(self, name: str, *arguments: str) -> None:
        # A session of its own: Ctrl-C reaches this program only, which then stops each in order.
        with (self.logs / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, *arguments],
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Nobody has an authenticator for people who were made up a minute ago.
                env={"STAFF_SECOND_FACTOR": "off", **os.environ},
            )

    def _wait_for(self, name: str, port: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        log = self.logs / f"{name}.log"
        while time.monotonic() < deadline:
            if self.running[name].poll() is not None:
                raise CannotStart(f"The {name} ended at once:\n{log.read_text()[-2000:]}")
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise CannotStart(f"The {name} gave no answer in {WAIT_SECONDS} s; see {log}.")


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(
                f"Port {port} is taken, perhaps by another demo. Stop that one, or choose other "
                f"ports: make demo PORT=8100 (the next one goes to the simulator)."
            ) from None
