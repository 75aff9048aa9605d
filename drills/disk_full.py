"""The database's disk is full: a clear refusal, pages go on, and nothing confirmed is lost.

The database moves to a small file system (tmpfs, which takes root), a file fills it up under load,
and goes away again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from drills import Outcome, Restart, Skipped, books
from drills.parts import Part
from drills.phones import NoAnswer, Phone, Unexpected
from drills.processor_time import Since
from drills.scene import Scene, wait_until

SPARE_MB = 100  # beside what the database has now
VOTES = 10
FULL_SECONDS_QUICK, FULL_SECONDS_FULL = 5.0, 60.0


def run(scene: Scene) -> Outcome:
    if os.geteuid() != 0:
        raise Skipped("mounting a small file system takes root")
    outcome = Outcome()
    postgres, data = scene.installation.parts["postgres"], scene.installation.pgdata
    small = scene.directory / "small-disk"
    small.mkdir()
    size = f"size={SPARE_MB + _megabytes(data)}m"
    mounting = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(small)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise Skipped(f"no tmpfs may be mounted here: {mounted.stderr.strip()}")
    try:
        _move(postgres, data, small / "postgres")
        try:
            _fill_up(scene, outcome, small / "filler")
        finally:
            (small / "filler").unlink(missing_ok=True)
            _move(postgres, small / "postgres", data)
    finally:
        subprocess.run(["umount", str(small)], check=False)
    return outcome


def _fill_up(scene: Scene, outcome: Outcome, filler: Path) -> None:
    """Holders vote, the disk fills up, they are refused, there is room again, they vote."""
    postgres = scene.installation.parts["postgres"]
    load = scene.load("disk_full")
    lasts = FULL_SECONDS_QUICK if scene.is_quick else FULL_SECONDS_FULL
    with load.running(4):
        scene.wait_for_votes(VOTES)
        began = time.monotonic()
        wait_until(lambda: _fill(filler) and bool(load.failures), what="a refusal", seconds=40)
        first = time.monotonic() - began
        ends = time.monotonic() + lasts
        wait_until(lambda: _fill(filler) and time.monotonic() > ends, what="time", seconds=999)
        is_read, was_up = _is_read(load.phone(scene.crowd.take(1)[0])), postgres.is_running()
        filler.unlink()
        postgres.ended = Since()
        if not was_up:
            outcome.notes.append("PostgreSQL had stopped itself (PANIC) and was started again")
            postgres.start()
        wait_until(lambda: postgres.is_up(postgres), what="PostgreSQL")
        ended = postgres.ended
        outcome.restarts.append(Restart("postgres (room again)", ended.seconds(), ended.busy()))
        scene.wait_for_votes(VOTES)
    books.reconnect()
    refused = [failure for failure in load.failures if "HTTP 5" in failure]
    asked = load.settle()
    outcome.expect(bool(refused), f"no page said so: {load.failures[:3]}")
    outcome.expect(is_read or not was_up, "the landing page was not shown on a full disk")
    outcome.notes.append(f"{first:.1f} s passed until the full disk was noticed")
    outcome.did = (
        f"full for {first + lasts:.0f} s under load, {len(refused)} refused with 5xx,"
        f" landing page {'shown' if is_read else 'gone'}, {asked} holders asked again"
    )


def _move(postgres: Part, old: Path, new: Path) -> None:
    """Stop the server, copy its directory, start it there."""
    postgres.stop()
    if new.exists():
        shutil.rmtree(new)
    shutil.copytree(old, new)
    postgres.command = [str(new) if word == str(old) else word for word in postgres.command]
    postgres.start()
    books.reconnect()


def _fill(filler: Path) -> bool:
    """Take every block that is left."""
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65_536)
        except OSError:
            return True


def _is_read(phone: Phone) -> bool:
    try:
        phone.open_link()
    except (NoAnswer, Unexpected):
        return False
    finally:
        phone.hang_up()
    return True


def _megabytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 2**20
