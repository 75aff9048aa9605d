"""CSV files that PostgreSQL writes itself (COPY): memory stays flat, and the first lines come at
once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from django.db import connection
from psycopg import sql

BLOCK_BYTES = 1 << 16


def head_line(names: Iterable[object]) -> bytes:
    """The first line: names of columns, in UTF-8 with BOM as Excel in China expects."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode("utf-8-sig")


def copied(query: sql.Composed) -> Iterator[bytes]:
    """What a `COPY ... TO STDOUT` writes, in blocks of 64 KB or a little more."""
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        block = bytearray()
        for line in copy:
            block += line
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        yield bytes(block)
