"""Holders vote at a steady pace for a while: memory stays flat, and nothing piles up behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ballots.log import sequencer
from drills import Outcome
from drills.installation import Installation
from drills.processor_time import group_of
from drills.scene import Scene

SECONDS_QUICK, SECONDS_FULL = 30.0, 900.0
WARM = 3  # the first third: until then caches fill
PHONES, PAUSE = 4, 0.2
WATCHED = ("web-1", "web-2", "sequencer", "worker-sending", "worker-periodic", "beat", "gateway")
MOST_BYTES = 8 << 20  # that a part may grow by
MOST_BEHIND = 10.0  # seconds of the log behind the votes


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    seconds = SECONDS_QUICK if scene.is_quick else SECONDS_FULL
    load = scene.load("soak")
    behind = 0.0
    with load.running(PHONES, pause=PAUSE):
        time.sleep(seconds / WARM)
        before = _resident(scene.installation)
        ends = time.monotonic() + seconds - seconds / WARM
        while time.monotonic() < ends:
            behind = max(behind, sequencer.seconds_behind())
            time.sleep(1.0)
        after = _resident(scene.installation)
    grown = {name: after[name] - before[name] for name in before}
    for name, more in grown.items():
        outcome.expect(more < MOST_BYTES, f"{name} grew by {more / 1e6:.0f} MB")
    outcome.expect(behind < MOST_BEHIND, f"the log was {behind:.0f} s behind")
    outcome.expect(not load.failures, f"requests failed: {load.failures[:3]}")
    load.settle()
    most = max(grown, key=lambda name: grown[name])
    outcome.did = (
        f"{len(load.seconds):,} steps in {seconds:.0f} s, none failed; the log at most"
        f" {behind:.0f} s behind; {most} grew most, by {max(0, grown[most]) / 1e6:.1f} MB"
    )
    return outcome


def _resident(installation: Installation) -> dict[str, int]:
    """Bytes of memory that each part holds, its children included."""
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        name: sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
            for pid in group_of(installation.parts[name].pid)
        )
        for name in WATCHED
    }
