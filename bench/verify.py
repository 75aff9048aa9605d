"""Checking a whole auditor bundle without the server, beside hashing the same bytes once.

The bundle is written by the tests' own writer of the format, a meeting of plain motions whose
ballots come in with one checkpoint a second. Each run is a process of its own, so that its memory
is what it needs, its own processes included.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench import Row, Scale
from bench.bundles import write_bundle

ROOT = Path(__file__).parents[1]
MOTIONS = 20


def measure(scale: Scale) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        key = write_bundle(path, ballots=scale.rows, motions=MOTIONS)
        floor = _hash_once(path)
        began = time.perf_counter()
        peak = _verify(path, key)
        ours = time.perf_counter() - began
        note = f"{scale.rows:,} ballots x {MOTIONS} motions, {peak} MB in all processes"
        yield Row("verify", ours, floor, "s", is_rate=False, note=note)


def _hash_once(path: Path) -> float:
    began = time.perf_counter()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


def _verify(path: Path, key: str) -> int:
    """Run the command; the most memory that its processes had at a time, in MB."""
    command = [sys.executable, "-m", "ballot_verifier", str(path), "--key", key, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "verifier")}
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdout=output, env=environment) as process,
    ):
        peak = 0
        while process.poll() is None:
            peak = max(peak, _memory_of(process.pid))
            time.sleep(0.1)
        output.seek(0)
        report = json.load(output)
    assert report["outcome"] == "good", report
    return peak // 1024


def _memory_of(pid: int) -> int:
    """Resident kilobytes of a process and its children."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            total += sum(_memory_of(int(child)) for child in children)
    except (FileNotFoundError, ProcessLookupError):
        return total
    return total
