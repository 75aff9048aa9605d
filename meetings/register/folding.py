"""Folding a register (名册归并): rows of one person become one holder, rows of one account and
class one holding (rule E4). Few rows have anything to fold; only these are looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg import sql

from meetings.register.findings import Finding
from meetings.register.records import Person
from meetings.register.sealed_rows import HOLDER_COLUMNS, record_context
from meetings.register.staging import Staging
from voting_portal.common import sealing

FOLD_BATCH = 2_000
# The rows that have something in common with another one: an account, or a person. Joins find them,
# which the database shares out among its workers; it does not so with groups of nearly one row.
_ROWS = """
CREATE TEMPORARY TABLE {common} AS
    SELECT id FROM {holdings} a WHERE EXISTS (
        SELECT FROM {holdings} b WHERE b.account_index = a.account_index AND b.id <> a.id
    )
    UNION
    SELECT id FROM {holders} a WHERE EXISTS (
        SELECT FROM {holders} b WHERE b.person_index = a.person_index AND b.id <> a.id
    );
ANALYZE {common};
CREATE TEMPORARY TABLE {rows} AS
    SELECT a.*, h.person_index, h.kind, h.ctid AS holder_at, a.ctid AS holding_at
    FROM {common} JOIN {holdings} a USING (id) JOIN {holders} h USING (id);
ANALYZE {rows}
"""
_ACCOUNTS = """
SELECT (SELECT count(*) FROM {holdings}) - count(*) + count(DISTINCT account_index) FROM {rows}
"""
_DUPLICATES = """
SELECT id - {base}, line, account_masked, first - {base} FROM (
    SELECT *, min(id) OVER (PARTITION BY account_index, share_class, nature) AS first FROM {rows}
) r WHERE id <> first ORDER BY id
"""
# An account has one owner. Where its rows tell it in different words (一码通 in one of them only),
# the best told counts, of these the first.
_ONE_OWNER = """
UPDATE {rows} r SET person_index = best.person_index, kind = best.kind
FROM (
    SELECT id, first_value(id) OVER (PARTITION BY account_index ORDER BY told, id) AS best
    FROM {rows}
) t JOIN {rows} best ON best.id = t.best
WHERE r.id = t.id AND (r.person_index, r.kind) <> (best.person_index, best.kind)
"""
# Nominees and repurchase accounts never merge with an ordinary account of the same owner: they vote
# for others, or not at all.
_PERSONS = """
CREATE TEMPORARY TABLE {persons} AS
    SELECT id, first, person_index, kind, holder_at FROM (
        SELECT *, min(id) OVER person AS first, count(*) OVER person AS times FROM {rows}
        WINDOW person AS (
            PARTITION BY person_index, CASE WHEN kind IN ('N', 'V') THEN kind END
        )
    ) r WHERE times > 1;
ANALYZE {persons}
"""
_PERSONS_ROWS = """
SELECT p.first, id, p.kind, name_masked, phone_masked, shares, p.person_index, phone_index, sealed
FROM {persons} p JOIN {holders} h USING (id) ORDER BY first, id
"""
# By their places, which takes no look at all the others.
_LEAVE = "DELETE FROM {holders} WHERE ctid = ANY (ARRAY(SELECT holder_at FROM {persons}))"
_HOLDINGS = """
DELETE FROM {holdings} WHERE ctid = ANY (ARRAY(SELECT holding_at FROM {rows}));
INSERT INTO {holdings} (id, holder_id, account_index, account_masked, share_class, shares)
    SELECT min(id), min(coalesce(first, id)), account_index, min(account_masked), share_class,
        sum(shares)
    FROM {rows} LEFT JOIN {persons} USING (id) GROUP BY account_index, share_class;
ALTER TABLE {holdings} DROP line, DROP nature, DROP told;
DROP TABLE {common}, {rows}, {persons}
"""
_HOLDERS = "SELECT count(*), count(*) FILTER (WHERE phone_masked <> '') FROM {holders}"
_COPY = "COPY {holders} ({columns}) FROM STDIN"


class Folding:
    """The rows of a staging, all of them there; everything in the caller's transaction."""

    def __init__(self, staging: Staging) -> None:
        self._keys = staging.keys
        self._seal = sealing.sealer(self._keys.records, algorithm=settings.SEALING_ALGORITHM)
        self._open = sealing.opener(self._keys.records)
        token = secrets.token_hex(4)
        self._names: dict[str, sql.Composable] = {
            "base": sql.Literal(staging.base),
            "holders": sql.Identifier(staging.holders),
            "holdings": sql.Identifier(staging.holdings),
            "columns": sql.SQL(", ").join(map(sql.Identifier, HOLDER_COLUMNS)),
            **{name: sql.Identifier(f"{name}_{token}") for name in ("common", "rows", "persons")},
        }
        self._execute(_ROWS)

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
        self._execute(_PERSONS)
        self._merge_persons()
        self._execute(_HOLDINGS)
        ((holders, reachable),) = self._rows(_HOLDERS)
        return int(holders), int(reachable)

    def _merge_persons(self) -> None:
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(_PERSONS_ROWS))
            # The cursor goes on seeing the rows that are taken out under it.
            self._execute(_LEAVE)
            waiting: list[Any] = []
            while fetched := cursor.fetchmany(FOLD_BATCH):
                waiting += fetched
                last = waiting[-1][0]  # of this person, more rows may follow
                self._copy_merged([row for row in waiting if row[0] != last])
                waiting = [row for row in waiting if row[0] == last]
            self._copy_merged(waiting)

    def _copy_merged(self, folded: list[Any]) -> None:
        if not folded:
            return
        with connection.cursor() as cursor, cursor.copy(self._compose(_COPY)) as copy:
            for first, rows in groupby(folded, itemgetter(0)):
                copy.write_row(self._merged(first, list(rows)))

    def _merged(self, holder: int, rows: list[Any]) -> tuple[Any, ...]:
        """One holder from the rows of a person: the first row's words, the first phone that can be
        reached, every account once and the sums of the shares."""
        persons = [Person.decode(self._open(row[-1], record_context(row[1]))) for row in rows]
        with_phone = next((at for at, person in enumerate(persons) if person.phone), 0)
        accounts = dict.fromkeys(account for person in persons for account in person.accounts)
        of = persons[0]
        person = Person(of.name, of.id_type, of.id_number, persons[with_phone].phone, (*accounts,))
        _first, _row, kind, name_masked, _phone, _shares, person_index, *_rest = rows[0]
        *_rest, phone_masked, _shares, _person, phone_index, _sealed = rows[with_phone]
        sums = [sum(of_class) for of_class in zip(*(row[5] for row in rows), strict=True)]
        shares = "{" + ",".join(map(str, sums)) + "}"
        sealed = self._seal(person.encode(), record_context(holder))
        return holder, kind, name_masked, phone_masked, shares, person_index, phone_index, sealed

    def _compose(self, statement: str) -> sql.Composed:
        return sql.SQL(statement).format(**self._names)

    def _execute(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self._compose(statement))

    def _rows(self, statement: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(self._compose(statement))
            return list(cursor.fetchall())
