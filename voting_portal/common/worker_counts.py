"""Counts of workers that have ended: kept in one file, so that no count ever falls.

Each web process counts in files of its own in PROMETHEUS_MULTIPROC_DIR, and all are summed when
asked. Gunicorn replaces workers all day; without this their files would fill the memory, and
without the lock a scrape in between would count a dead worker twice or not at all, which reads as
a restart and makes false rates.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

KINDS = ("counter", "histogram")
ENDED = 0  # stands where living workers have their process id


@contextlib.contextmanager
def steady(directory: Path) -> Iterator[None]:
    """No counts of a dead worker move while this is held, by whichever process."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep_counts(pid: int, *, directory: Path) -> None:
    """Add what an ended worker counted to what all ended ones did, and remove its files."""
    with steady(directory):
        for kind in KINDS:
            file = directory / f"{kind}_{pid}.db"
            if not file.exists():
                continue
            kept = MmapedDict(str(directory / f"{kind}_{ENDED}.db"))  # type: ignore[no-untyped-call]
            for key, value, _at, _place in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                before, _then = kept.read_value(key)  # type: ignore[no-untyped-call]
                kept.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
            kept.close()  # type: ignore[no-untyped-call]
            file.unlink()
