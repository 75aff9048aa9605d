"""A register on its way into detached tables: every good row at once, as the holder and the holding
that it is in most cases; persons of several rows are folded afterwards (folding.py).

Three work at the same time: this process reads and checks, a second one seals, and the database
takes what is ready. Memory is that of a few chunks, however long the register.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl
import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from meetings.register.sealed_rows import (
    HOLDER_COLUMNS,
    HOLDING_COLUMNS,
    Keys,
    Lines,
    RowSealer,
)
from meetings.register.sealing_process import SealingProcess
from voting_portal.common import ids, partitions

HOLDERS, HOLDINGS = "meetings_holder", "meetings_holding"
SEALED_AT_ONCE = 6_000  # rows
CHUNKS_ON_THEIR_WAY = 4  # so that reading a block and sealing one need not take turns
_LIMITS = """
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';
SET LOCAL jit = off;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL idle_in_transaction_session_timeout = '10min'
"""
# Only while rows are compared: where a row stands in the file, 流通类型 and 权益类别, and how well
# it tells its person.
_WORKING_COLUMNS = "ALTER TABLE {} ADD line integer, ADD nature text, ADD told smallint"
# The tables are made in the same transaction, so their rows can be born frozen: no vacuum has to
# visit them for it.
_COPY = "COPY {} ({}) FROM STDIN (FORMAT csv, NULL '\\N', FREEZE)"


class Staging:
    """The tables of one load; everything happens in the caller's transaction."""

    def __init__(self, *, meeting_id: int, suffix: str, keys: Keys, classes: int) -> None:
        """`classes` is how many elements Holder.shares has."""
        self.holders = f"{HOLDERS}_{suffix}"
        self.holdings = f"{HOLDINGS}_{suffix}"
        self.keys = keys
        self._meeting = meeting_id
        self.base = ids.holder_range(meeting_id)[0]
        self._sealer = RowSealer(keys, settings.SEALING_ALGORITHM, self.base, classes)
        self._process: SealingProcess | None = None
        self._has_begun = False
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="register-copy")
        self._copying: deque[Future[None]] = deque()

    def __enter__(self) -> Staging:
        with connection.cursor() as cursor:
            cursor.execute(_LIMITS)
        for table, name in ((HOLDERS, self.holders), (HOLDINGS, self.holdings)):
            partitions.create_detached(table, name, self._meeting)
        self._execute(_WORKING_COLUMNS, self.holdings)
        # The copier needs the connection itself: Django's belongs to the thread that made it.
        self._connection: psycopg.Connection[Any] = connection.connection
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            self._process.close()
        self._copier.shutdown()

    def add(self, rows: pl.DataFrame) -> None:
        """Seal good rows and hand them to the database."""
        for some in rows.iter_slices(SEALED_AT_ONCE):
            lines = self._sealed(some)
            self._wait(leave=CHUNKS_ON_THEIR_WAY)
            self._copying.append(self._copier.submit(self._copy, lines))

    def finish(self) -> None:
        """Wait for the last chunk, and let the planner know the tables."""
        self._wait(leave=0)
        for table in (self.holders, self.holdings):
            self._execute("ANALYZE {}", table)

    def build_indexes(self) -> None:
        """After the folding, which would have to keep them up."""
        for table, name in ((HOLDERS, self.holders), (HOLDINGS, self.holdings)):
            partitions.index_detached(table, name)

    def _sealed(self, rows: pl.DataFrame) -> Callable[[], Lines]:
        """What gives the lines of some rows, sealed in the process beside or, until it is there,
        in this one. Most registers end with the first rows, for which none is started."""
        if self._process is None and self._has_begun:
            self._process = SealingProcess(self._sealer)
        self._has_begun = True
        if self._process is not None and self._process.is_ready:
            self._process.give(rows)
            return self._process.take
        lines = self._sealer.lines(rows)
        return lambda: lines

    def _copy(self, take: Callable[[], Lines]) -> None:
        lines = take()
        self._copy_into(self.holders, HOLDER_COLUMNS, lines.holders)
        self._copy_into(self.holdings, HOLDING_COLUMNS, lines.holdings)

    def _copy_into(self, table: str, columns: tuple[str, ...], lines: bytes) -> None:
        statement = sql.SQL(_COPY).format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(lines)

    def _wait(self, *, leave: int) -> None:
        """Until no more than so many chunks are on their way; raises what stopped one."""
        while len(self._copying) > leave:
            self._copying.popleft().result()

    def _execute(self, statement: str, table: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(table)))
