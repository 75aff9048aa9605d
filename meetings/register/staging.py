"""A register on its way into detached tables: rows first, then holders and holdings.

Every good row is written at once as the holder that it is in most cases; persons of several rows
(rule E4) are then folded into the holder of their first row. What is compared and summed goes
through a narrow table beside it. Memory is that of a chunk, however long the register.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl
import psycopg
from django.db import connection
from psycopg import sql

from meetings.register import records
from meetings.register.findings import Finding
from meetings.register.records import Keys, Person
from voting_portal.common import ids, masking, partitions, sealing

HOLDERS, HOLDINGS = "meetings_holder", "meetings_holding"
FOLD_BATCH = 2_000
_HOLDER_COLUMNS = (
    "id",
    "kind",
    "name_masked",
    "phone_masked",
    "shares",
    "person_index",
    "phone_index",
    "sealed",
)
_ROW_COLUMNS = (
    "row",
    "line",
    "person",
    "account_index",
    "account_masked",
    "share_class",
    "nature",
    "shares",
)
_LIMITS = """
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';
SET LOCAL idle_in_transaction_session_timeout = '10min'
"""

_STAGE = """
CREATE TEMPORARY TABLE {rows} (
    row integer, line integer, person bytea, account_index bytea, account_masked text,
    share_class smallint, nature text, shares bigint)
"""
# Few accounts have several rows; only these are looked at again.
_REPEATS = """
CREATE TEMPORARY TABLE {repeats} AS
    SELECT account_index, count(*) AS times FROM {rows}
    GROUP BY account_index HAVING count(*) > 1;
ANALYZE {rows};
ANALYZE {repeats}
"""
_ACCOUNTS = """
SELECT (SELECT count(*) FROM {rows}) - coalesce(sum(times - 1), 0) FROM {repeats}
"""
_DUPLICATES = """
SELECT row, line, account_masked, first FROM (
    SELECT row, line, account_masked,
        min(row) OVER (PARTITION BY account_index, share_class, nature) AS first
    FROM {rows} JOIN {repeats} USING (account_index)
) r WHERE row <> first ORDER BY row
"""
# An account has one owner. Where its rows tell it in different words (一码通 in one of them only),
# the best told counts: `person` begins with its rank.
_ONE_OWNER = """
UPDATE {rows} r SET person = o.person
FROM (SELECT account_index, min(person) AS person FROM {rows} JOIN {repeats} USING (account_index)
      GROUP BY account_index HAVING min(person) <> max(person)) o
WHERE r.account_index = o.account_index
"""
_FOLD = """
CREATE TEMPORARY TABLE {folds} AS
    SELECT person, min(row) AS first FROM {rows} GROUP BY person HAVING count(*) > 1;
CREATE TEMPORARY TABLE {folded} AS
    SELECT f.first, r.row, substring(f.person from 3) AS person_index, h.kind, h.name_masked,
        h.phone_masked, h.phone_index, h.shares, h.sealed
    FROM {rows} r JOIN {folds} f USING (person) JOIN {holders} h ON h.id = {base} + r.row;
DELETE FROM {holders} h USING {folded} f WHERE h.id = {base} + f.row;
"""
_FOLDED = "SELECT * FROM {folded} ORDER BY first, row"
_HOLDINGS = """
INSERT INTO {holdings} (id, holder_id, account_index, account_masked, share_class, shares)
SELECT {base} + r.row, {base} + coalesce(f.first, r.row), r.account_index, r.account_masked,
    r.share_class, r.shares
FROM {rows} r LEFT JOIN {folds} f USING (person)
WHERE NOT EXISTS (SELECT FROM {repeats} WHERE account_index = r.account_index)
UNION ALL
SELECT {base} + min(r.row), {base} + min(coalesce(f.first, r.row)), r.account_index,
    min(r.account_masked), r.share_class, sum(r.shares)
FROM {rows} r JOIN {repeats} USING (account_index) LEFT JOIN {folds} f USING (person)
GROUP BY r.account_index, r.share_class
"""
_HOLDERS = "SELECT count(*), count(*) FILTER (WHERE phone_masked <> '') FROM {holders}"


class Staging:
    """The tables of one load; everything happens in the caller's transaction."""

    def __init__(self, *, meeting_id: int, suffix: str, keys: Keys, classes: int) -> None:
        """`classes` is how many elements Holder.shares has."""
        self.holders = f"{HOLDERS}_{suffix}"
        self.holdings = f"{HOLDINGS}_{suffix}"
        self._meeting_id = meeting_id
        self._keys = keys
        self._classes = classes
        base = ids.holder_range(meeting_id)[0]
        token = secrets.token_hex(4)
        self._names: dict[str, sql.Composable] = {
            "base": sql.Literal(base),
            "holders": sql.Identifier(self.holders),
            "holdings": sql.Identifier(self.holdings),
            **{
                name: sql.Identifier(f"{name}_{token}")
                for name in ("rows", "repeats", "folds", "folded")
            },
        }
        self._base = base
        # The database takes a chunk while the next one is read, checked and sealed.
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="register-copy")
        self._copying: Future[None] | None = None

    def __enter__(self) -> Staging:
        with connection.cursor() as cursor:
            cursor.execute(_LIMITS)
        partitions.create_detached(HOLDERS, self.holders)
        partitions.create_detached(HOLDINGS, self.holdings)
        self._execute(_STAGE)
        # The copier needs the connection itself: Django's belongs to the thread that made it.
        self._connection: psycopg.Connection[Any] = connection.connection
        return self

    def __exit__(self, *_error: object) -> None:
        self._copier.shutdown()

    def add(self, rows: pl.DataFrame) -> None:
        """Seal the good rows of a chunk and hand them to the database."""
        if rows.is_empty():
            return
        secret = records.seal_rows(rows, self._keys, meeting_id=self._meeting_id)
        rows = rows.with_columns(secret).with_columns(
            account_masked=pl.Series(map(masking.mask_account, rows["account"])),
            name_masked=pl.Series(map(masking.mask_name, rows["name"])),
            phone_masked=pl.Series([p and masking.mask_phone(p) for p in rows["phone"]]),
        )
        shares = [
            pl.when(pl.col("share_class") == number).then("shares").otherwise(0)
            for number in range(self._classes)
        ]
        holders = rows.with_columns(
            id=pl.col("row") + self._base,
            shares=pl.concat_str(pl.lit("{"), pl.concat_str(shares, separator=","), pl.lit("}")),
        ).select(_HOLDER_COLUMNS)
        staged = rows.with_columns(person=_person()).select(_ROW_COLUMNS)
        self._wait()
        self._copying = self._copier.submit(self._copy_all, holders, staged)

    def finish(self) -> None:
        """Wait for the last chunk, and find the accounts of several rows."""
        self._wait()
        self._execute(_REPEATS)

    def duplicates(self) -> Iterator[Finding]:
        """Rows that repeat account, class, 流通类型 and 权益类别 of an earlier one."""
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(_DUPLICATES))
            for row, line, account, first in iter(cursor.fetchone, None):
                yield Finding("DUPLICATE_ROW", row, line, "account_no", account, first)

    def count_accounts(self) -> int:
        ((accounts,),) = self._rows(_ACCOUNTS)
        return int(accounts)

    def fold(self) -> tuple[int, int]:
        """Make holders of persons and holdings of accounts; afterwards the tables are complete.

        Returns how many holders there are, and how many of them a message can reach.
        """
        self._execute(_ONE_OWNER)
        self._execute(_FOLD)
        self._merge_folded()
        self._execute(_HOLDINGS)
        ((holders, reachable),) = self._rows(_HOLDERS)
        return int(holders), int(reachable)

    def build_indexes(self) -> None:
        for table, name in ((HOLDERS, self.holders), (HOLDINGS, self.holdings)):
            partitions.index_detached(table, name)
            self._execute("ANALYZE {}", sql.Identifier(name))

    def drop_working_tables(self) -> None:
        """Now, not at the transaction's end: it may load another register."""
        self._execute("DROP TABLE {rows}, {repeats}, {folds}, {folded}")

    def _merge_folded(self) -> None:
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(_FOLDED))
            waiting: list[Any] = []
            while fetched := cursor.fetchmany(FOLD_BATCH):
                waiting += fetched
                # The last person of a batch may go on in the next one.
                last = waiting[-1][0]
                self._copy_merged([row for row in waiting if row[0] != last])
                waiting = [row for row in waiting if row[0] == last]
            self._copy_merged(waiting)

    def _copy_merged(self, folded: list[Any]) -> None:
        merged = [self._merged(first, list(rows)) for first, rows in groupby(folded, itemgetter(0))]
        if merged:
            schema = {
                name: pl.Binary if name in ("person_index", "phone_index", "sealed") else None
                for name in _HOLDER_COLUMNS
            }
            self._copy(self.holders, pl.DataFrame(merged, schema=schema, orient="row"))

    def _merged(self, first: int, rows: list[Any]) -> tuple[Any, ...]:
        """One holder from the rows of a person: the first row's words, the first phone that can be
        reached, every account once and the sums of the shares."""
        persons = [
            Person.decode(
                sealing.open_sealed(
                    self._keys.records, sealed, context=records.record_context(self._base + row)
                )
            )
            for _first, row, *_rest, sealed in rows
        ]
        with_phone = next((at for at, person in enumerate(persons) if person.phone), 0)
        accounts = dict.fromkeys(account for person in persons for account in person.accounts)
        person = replace(persons[0], phone=persons[with_phone].phone, accounts=tuple(accounts))
        _first, _row, person_index, kind, name_masked, *_rest = rows[0]
        *_rest, phone_masked, phone_index, _shares, _sealed = rows[with_phone]
        sums = [sum(shares) for shares in zip(*(row[-2] for row in rows), strict=True)]
        holder = self._base + first
        sealed = records.seal_person(self._keys.records, holder, person.encode())
        shares = "{" + ",".join(map(str, sums)) + "}"
        return holder, kind, name_masked, phone_masked, shares, person_index, phone_index, sealed

    def _copy_all(self, holders: pl.DataFrame, staged: pl.DataFrame) -> None:
        self._copy(self.holders, holders)
        self._copy(self._names["rows"], staged)

    def _copy(self, table: str | sql.Composable, rows: pl.DataFrame) -> None:
        """COPY by the columns' names."""
        name = sql.Identifier(table) if isinstance(table, str) else table
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL '\\N')").format(
            name, sql.SQL(", ").join(map(sql.Identifier, rows.columns))
        )
        lines = io.BytesIO()
        rows.with_columns(
            (pl.lit("\\x") + pl.col(pl.Binary).bin.encode("hex")).name.keep()
        ).write_csv(lines, include_header=False, null_value="\\N")
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(lines.getbuffer())

    def _wait(self) -> None:
        if self._copying is not None:
            self._copying.result()
            self._copying = None

    def _compose(self, statement: str, *parts: sql.Composable) -> sql.Composed:
        return sql.SQL(statement).format(*parts, **self._names)

    def _execute(self, statement: str, *parts: sql.Composable) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self._compose(statement, *parts))

    def _rows(self, statement: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(self._compose(statement))
            return list(cursor.fetchall())


def _person() -> pl.Expr:
    """Who a row belongs to, as it is compared: rank of the words (一码通 first), what kind of
    account apart from ordinary ones, and the person's blind index.

    Nominees and repurchase accounts never merge with an ordinary account of the same owner: they
    vote for others, or not at all.
    """
    rank = pl.when(pl.col("ymt") != "").then(1).when(pl.col("id_no") != "").then(2).otherwise(3)
    kind = pl.col("kind").replace_strict({"N": "2", "V": "3"}, default="1")
    index = pl.col("person_index").bin.encode("hex")
    return pl.concat_str(pl.lit("\\x0"), rank, pl.lit("0"), kind, index)
