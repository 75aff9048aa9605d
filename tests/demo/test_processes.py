"""What the demo starts is stopped with all that it has started itself."""

from __future__ import annotations

import subprocess
import time

from voting_portal.demo import processes
from voting_portal.demo.processes import Processes

# As a worker in the middle of a batch: deaf to SIGTERM, with a child that does the work.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def is_running(pid: str) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


def until(condition) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_worker_that_does_not_stop_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    demo = Processes(tmp_path)
    demo._start("worker", "-c", STUBBORN)
    log = tmp_path / "worker.log"
    assert until(lambda: log.read_text().endswith("\n")), log.read_text()
    child = log.read_text().strip()
    was_running = is_running(child)

    demo.stop()

    assert was_running
    assert until(lambda: not is_running(child))
    assert not demo.running
