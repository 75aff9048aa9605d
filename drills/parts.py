"""A part of the installation: one process group that is started, ended, and started again.

Its supervisor is the drill: what the container engine does in production, `restart` does here.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drills import Restart
from drills.processor_time import Since, children, seconds_of

WAIT_SECONDS = 40.0
STOP_SECONDS = 20.0
ROOT = Path(__file__).resolve().parent.parent


class CannotStart(Exception):
    """A part did not come up; the message ends with its log."""


@dataclass
class Part:
    """A program of the installation and how to see that it works."""

    name: str
    command: Sequence[str]
    is_up: Callable[[Part], bool]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    is_wanted: bool = True
    begun_at: int = 0  # where its log stood when it was started last
    ended: Since = field(default_factory=Since)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it works; a part that ends at once is started again."""
        deadline = time.monotonic() + WAIT_SECONDS
        self.is_wanted = True
        self._launch()
        while not self.is_up(self):
            if not self.is_wanted:  # the drills were stopped meanwhile
                return
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.name} did not come up:\n{self.said()[-2000:]}")
            if not self.is_running():
                time.sleep(0.1)
                self._launch()
            time.sleep(0.02)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of all its processes, as when its container or host is gone."""
        assert self.process is not None
        self.ended = Since()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_leader(self) -> None:
        """kill -9 of its first process only: its children find out by themselves."""
        assert self.process is not None
        self.ended = Since()
        self.process.kill()
        self.process.wait()

    def kill_child(self) -> int:
        """kill -9 of one child; its parent must replace it. Returns the pid."""
        self.ended = Since()
        pid = children(self.pid)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def restart(self) -> Restart:
        """Start it after its end; the seconds count from there."""
        self.start()
        own = seconds_of({self.name: [self.pid]})[self.name]
        return Restart(self.name, self.ended.seconds(), self.ended.busy(), own)

    def stop(self) -> None:
        """End it politely, then by force; whatever is left of its group goes as well."""
        self.is_wanted = False
        if self.process is None:
            return
        self.ask_to_end()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.ended = Since()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def ask_to_end(self) -> None:
        self.is_wanted = False
        if self.process is not None and self.is_running():
            self.process.send_signal(self.stop_signal)

    def said(self) -> str:
        """What it has logged since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self.begun_at)
            return log.read().decode(errors="replace")

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.begun_at = log.tell()
            self.process = subprocess.Popen(
                list(self.command),
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def listens(port: int) -> Callable[[Part], bool]:
    def is_up(_part: Part) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", port)) == 0

    return is_up


def is_ready(port: int) -> Callable[[Part], bool]:
    """As the orchestrator asks a web server."""

    def is_up(_part: Part) -> bool:
        return readiness(port)[0] == 200

    return is_up


def readiness(port: int) -> tuple[int, str]:
    """Status and body of /ready; 0 when nobody answers."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        client.request("GET", "/ready")
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        client.close()


def says(words: str) -> Callable[[Part], bool]:
    """The part has logged these words since it was started."""
    return lambda part: words in part.said()
