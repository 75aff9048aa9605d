"""Importing a register: read, check, seal, stage, fold, index, approve and attach.

The floor is COPY of the same rows as CSV into a bare table, and two indexes on it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bench import Row, Scale

RECORD_DATE = date(2026, 6, 23)
NOW = datetime(2026, 6, 24, tzinfo=UTC)
ROWS_OF_A_HOLDER = 1.07  # in a synthetic register: some have a second account, or restricted shares


@dataclass(frozen=True)
class Taken:
    """What an import took; megabytes of both its processes."""

    seconds: float
    rows: int
    megabytes: int


class _Peak:
    """The most memory that this process and those that it started had resident at one time.

    Looked at while they run: what the system notes of a child that ended counts the moment when it
    was still a copy of its parent.
    """

    def __enter__(self) -> _Peak:
        self.megabytes = 0
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.05):
            started = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            resident = sum(map(_resident_pages, ["self", *started])) * os.sysconf("SC_PAGE_SIZE")
            self.megabytes = max(self.megabytes, resident >> 20)


def _resident_pages(process: str) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0  # it has just ended


def measure(scale: Scale) -> Iterator[Row]:
    """Rows `import dbf` and `import csv`: seconds for a register of about `scale.rows` rows.

    `import memory` has the peaks of memory in the place of seconds, at `scale.rows` rows and at a
    tenth of them: the ratio is 1 when the length of a register does not matter.
    """
    with tempfile.TemporaryDirectory() as folder:
        csv, dbf = (_make(Path(folder) / f"register.{kind}", scale.rows) for kind in ("csv", "dbf"))
        floor = _floor(csv)
        long = [_import_apart(path) for path in (dbf, csv)]
        for path, taken in zip((dbf, csv), long, strict=True):
            speed = f"{taken.rows:,} rows, {taken.rows / taken.seconds:,.0f} rows/s"
            note = f"{speed}, peak RSS {taken.megabytes} MB"
            name = f"import {path.suffix[1:]}"
            yield Row(name, taken.seconds, floor, "s", is_rate=False, note=note)
        short = _import_apart(_make(Path(folder) / "short.dbf", scale.rows // 10))
    peaks = long[0].megabytes, short.megabytes
    each = " and ".join(f"{1e6 * t.seconds / t.rows:.1f} us" for t in (long[0], short))
    note = f"{long[0].rows:,} rows, floor: {short.rows:,}; a row takes {each}"
    yield Row("import memory", *peaks, "MB", is_rate=False, note=note)


def _import_apart(path: Path) -> Taken:
    """An import in a process of its own, whose peak of memory is the import's."""
    from django.db import connection

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_import, (path, str(connection.settings_dict["NAME"])))


def _make(path: Path, rows: int) -> Path:
    from meetings.register.synthetic import write_register

    write_register(
        path,
        holders=round(rows / ROWS_OF_A_HOLDER),
        format="csv" if path.suffix == ".csv" else "dbf",
        seed=1,
        security_code="600000",
        record_date=RECORD_DATE,
    )
    return path


def _floor(csv: Path) -> float:
    """Seconds to copy a CSV as it is and to index two of its columns."""
    from django.db import connection, transaction

    from meetings.register.synthetic import SHEET_COLUMNS

    columns = ", ".join(f'"{name}" text' for name in SHEET_COLUMNS)
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor, csv.open("rb") as file:
        cursor.execute(f"CREATE TABLE bare ({columns})")
        with cursor.copy("COPY bare FROM STDIN (FORMAT csv, HEADER true)") as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        cursor.execute("CREATE INDEX ON bare (account); CREATE INDEX ON bare (id_no)")
    seconds = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare")
    return seconds


def _import(path: Path, database: str) -> Taken:
    """Into a meeting of its own."""
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database
    from meetings.models import Issuer, Meeting, ShareClass
    from meetings.preparing import prepare_meeting
    from meetings.register.loading import approve_register, load_register
    from voting_portal.common import partitions

    issuer, _ = Issuer.objects.get_or_create(
        security_code="600000", name="上海虚构股份有限公司", short_name="虚构股份"
    )
    meeting = Meeting.objects.create(
        issuer=issuer,
        title="2026年第一次临时股东会",
        meeting_date=RECORD_DATE + timedelta(days=3),
        record_date=RECORD_DATE,
        polls_open_at=NOW,
        polls_close_at=NOW + timedelta(hours=6),
    )
    ShareClass.objects.create(meeting=meeting, number=0, capital=10**15)
    prepare_meeting(meeting, by="bench:1", now=NOW)
    started = time.perf_counter()
    with _Peak() as peak:
        with path.open("rb") as file:
            register = load_register(meeting.pk, file, file_name=path.name, by="bench:1", now=NOW)
        approve_register(register.pk, by="bench:2", now=NOW)
    seconds = time.perf_counter() - started
    for table in ("meetings_holder", "meetings_holding"):
        partitions.drop(partitions.partition_name(table, meeting.pk))
    connection.close()
    return Taken(seconds, register.rows_loaded, peak.megabytes)
