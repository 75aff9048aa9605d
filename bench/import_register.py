"""Importing a register: read, check, seal, stage, fold, index and attach.

The floor is COPY of the same rows as CSV into a bare table, and two indexes on it.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from bench import Row, Scale

RECORD_DATE = date(2026, 6, 23)


def measure(scale: Scale) -> Iterator[Row]:
    """Rows `import dbf` and `import csv`: seconds for a register of about `scale.rows` rows."""
    with tempfile.TemporaryDirectory() as folder:
        csv = _make(Path(folder) / "register.csv", scale.rows)
        floor = _floor(csv)
        for path in (_make(Path(folder) / "register.dbf", scale.rows), csv):
            seconds, rows = _import(path)
            peak = _in_process_of_its_own(path)
            note = f"{rows / seconds:,.0f} rows/s, peak RSS {peak} MB"
            yield Row(f"import {path.suffix[1:]}", seconds, floor, "s", is_rate=False, note=note)


def _make(path: Path, rows: int) -> Path:
    from meetings.register.synthetic import write_register

    write_register(
        path,
        holders=round(rows / 1.07),  # a few in a hundred have a second row
        format="csv" if path.suffix == ".csv" else "dbf",
        seed=1,
        security_code="600000",
        record_date=RECORD_DATE,
    )
    return path
