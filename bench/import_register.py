"""Importing a register: read, check, seal, stage, fold, index, approve and attach.

The floor is COPY of the same rows as CSV into a bare table, and two indexes on it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bench import Row, Scale

RECORD_DATE = date(2026, 6, 23)
NOW = datetime(2026, 6, 24, tzinfo=UTC)
ROWS_OF_A_HOLDER = 1.07  # in a synthetic register: some have a second account, or restricted shares


def measure(scale: Scale) -> Iterator[Row]:
    """Rows `import dbf` and `import csv`: seconds for a register of about `scale.rows` rows."""
    from django.db import connection

    database = str(connection.settings_dict["NAME"])
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        csv, dbf = (_make(Path(folder) / f"register.{kind}", scale.rows) for kind in ("csv", "dbf"))
        floor = _floor(csv)
        for path in (dbf, csv):
            # In a process of its own, whose peak of memory is the import's.
            with spawn.Pool(1) as pool:
                seconds, rows, peak = pool.apply(_import, (path, database))
            note = f"{rows:,} rows, {rows / seconds:,.0f} rows/s, peak RSS {peak} MB"
            yield Row(f"import {path.suffix[1:]}", seconds, floor, "s", is_rate=False, note=note)


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


def _import(path: Path, database: str) -> tuple[float, int, int]:
    """Seconds, rows and megabytes of an import into a meeting of its own."""
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database
    from meetings.management.output import peak_megabytes
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
    with path.open("rb") as file:
        register = load_register(meeting.pk, file, file_name=path.name, by="bench:1", now=NOW)
    approve_register(register.pk, by="bench:2", now=NOW)
    seconds = time.perf_counter() - started
    for table in ("meetings_holder", "meetings_holding"):
        partitions.drop(partitions.partition_name(table, meeting.pk))
    connection.close()
    return seconds, register.rows_loaded, peak_megabytes()
