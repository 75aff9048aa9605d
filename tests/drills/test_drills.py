"""The quick drills on an installation of their own: real processes, killed while holders vote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from drills import Outcome, Restart
from drills.processor_time import Since
from drills.report import Line
from drills.scene import wait_until

pytestmark = pytest.mark.servers

HERE = ("double_submits", "kill_postgres", "kill_redis", "bad_input")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")


def begin(directory, *names):
    """The runner, with nothing of our environment that would lead it elsewhere."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "drills", "--data", str(directory), *names],
        cwd=settings.BASE_DIR,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_running(directory):
    """Command lines that name the drills' directory, or the sockets that its processes have."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            surroundings = (process / "environ").read_text(errors="replace")
            if str(directory) in surroundings and int(process.name) != os.getpid():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    if NGINX is None:
        pytest.skip("LEFT OUT: no nginx on this machine, the drills need the one that is deployed")
    return tmp_path_factory.mktemp("drills")


@pytest.fixture(scope="module")
def report(directory):
    runner = begin(directory, *HERE)
    said, _ = runner.communicate(timeout=280)
    (file,) = directory.glob("*.json")
    found = json.loads(file.read_text())
    return {**found, "said": said, "code": runner.returncode, "file": file.with_suffix(".md")}


@pytest.mark.parametrize("name", HERE)
def test_a_drill_loses_and_doubles_nothing(report, name):
    (line,) = (line for line in report["drills"] if line["drill"] == name)

    assert line["faults"] == []
    assert (line["lost"], line["double"], line["verdict"]) == (0, 0, "passed")
    assert line["acknowledged"] > 0


def test_the_report_is_dated_and_says_what_was_done(report):
    text = report["file"].read_text()

    assert report["code"] == 0, report["said"]
    assert text.startswith("# Drills of 20")
    assert all(f"| {name} | " in text for name in HERE)
    assert sum(line["kills"] for line in report["drills"]) >= 5


@pytest.mark.parametrize(
    ("seconds", "busy", "own", "verdict"),
    [
        (4.9, 0.2, 1.0, "passed"),
        (5.1, 0.9, 1.0, "FAILED"),
        (60.0, 1.0, 1.0, "passed"),
        (6.0, 1.0, 5.1, "FAILED"),
    ],
    ids=["in time", "with cores to be had", "behind others", "by its own work"],
)
def test_a_slow_restart_is_a_fault_unless_others_had_all_cores(seconds, busy, own, verdict):
    outcome = Outcome(restarts=[Restart("web-1", seconds, busy, own)])

    line = Line.of("kill_web", "", outcome, acknowledged=0, seconds=1, skipped="")

    assert line.verdict == verdict
    assert len(line.faults + line.notes) == (seconds > 5)


def test_what_comes_slowly_is_waited_for_and_what_stands_is_not():
    began = time.monotonic()

    def come():
        return int((time.monotonic() - began) / 0.1)

    wait_until(lambda: come() >= 10, what="ten", seconds=0.3, progress=come)

    assert time.monotonic() - began >= 1
    with pytest.raises(TimeoutError, match="nothing of it"):
        wait_until(lambda: False, what="more", seconds=0.3, progress=lambda: 10)


def test_how_busy_the_cores_were_is_measured():
    since = Since()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        pass

    assert since.seconds() >= 0.5
    assert 0.9 / os.cpu_count() < since.busy() <= 1


def test_stopped_in_the_middle_nothing_is_left_running(directory):
    mine = directory / "stopped"
    runner = begin(mine, "double_submits")
    while "is open" not in runner.stdout.readline():
        assert runner.poll() is None
    time.sleep(1)

    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=60)

    assert runner.returncode != 0
    assert left_running(mine) == []
