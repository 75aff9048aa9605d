"""A copy of the code with its own `.data`, as a newcomer's shells would use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from django.conf import settings

LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "staticfiles", "node_modules")


class Checkout:
    """Programs run in the copy with nothing of our environment that would lead them elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / ".data"

    @classmethod
    def at_a_long_path(cls, directory: Path) -> Checkout:
        """A copy whose path has 150 characters."""
        path = directory / ("d" * max(1, 149 - len(str(directory))))
        shutil.copytree(settings.BASE_DIR, path, ignore=LEFT_BEHIND)
        return cls(path)

    def begin(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.path,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        process = self.begin(*arguments)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return said

    def sockets(self) -> Path:
        program = "from voting_portal import embedded; print(embedded.SOCKETS)"
        return Path(self.run("-c", program).strip())

    def servers(self) -> dict[str, int]:
        """The processes that the pid files name."""
        files = {"postgres": "postgres/postmaster.pid", "redis": "redis/redis.pid"}
        return {
            name: int((self.data / file).read_text().split()[0]) for name, file in files.items()
        }

    def kill(self) -> None:
        """As a power cut would: no server gets to tidy up."""
        for pid in self.servers().values():
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 60
            while is_alive(pid) and time.monotonic() < deadline:
                time.sleep(0.02)

    def processes(self) -> list[str]:
        """Command lines of the programs that run in this copy."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.path):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False
