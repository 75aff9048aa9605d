"""Backup and recovery, by `drills.restore`: lost under traffic, recovered, with RPO and RTO.

It has clusters of its own and is a program of its own, `make drill-restore`; here it is played as
one of all, for a short while.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

from drills import Outcome, Skipped
from drills.parts import ROOT
from drills.scene import Scene

SECONDS_QUICK, SECONDS_FULL = 6, 20
FIGURE = re.compile(r"^\| (RPO|RTO) \| (.*) \|$", re.MULTILINE)
FAULT = re.compile(r"^- FAULT (.*)$", re.MULTILINE)


def run(scene: Scene) -> Outcome:
    if importlib.util.find_spec("drills.restore") is None:
        raise Skipped("this checkout has no drills/restore.py")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    seconds = SECONDS_QUICK if scene.is_quick else SECONDS_FULL
    done = subprocess.run(
        [
            *(sys.executable, "-m", "drills.restore", "--seconds", str(seconds)),
            *("--holders", "5000", "--reports", str(scene.directory.parent)),
        ],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    outcome = Outcome(faults=FAULT.findall(done.stdout))
    figures = FIGURE.findall(done.stdout)
    outcome.expect(bool(figures), f"it ended with {done.returncode}: {done.stderr[-300:]}")
    outcome.expect(done.returncode == 0 or bool(outcome.faults), f"exit code {done.returncode}")
    outcome.did = "; ".join(f"{name} {value}" for name, value in figures)
    return outcome
