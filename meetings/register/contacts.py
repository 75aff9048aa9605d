"""Phones from a contact file (联系方式): registers often lack them, and only the register's holders
get messages. Each missing one is filled in, the holder's record sealed anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from meetings import lifecycle
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, Register
from meetings.register import records
from meetings.register.findings import Finding
from meetings.register.records import Person
from voting_portal.common import ids, masking, partitions, sealing

HOLDERS_AT_ONCE = 2_000
_STAGE = """
CREATE TEMPORARY TABLE {contacts} (
    row integer, line integer, account_index bytea, person_index bytea, shown text,
    phone_index bytea, sealed bytea)
"""
_INDEX = "CREATE INDEX ON {contacts} (row); ANALYZE {contacts}"
# A person or an account with two phones: nobody can say which is right.
_CONFLICTS = """
SELECT row, line, shown, first FROM (
    SELECT row, line, shown, phone_index,
        min(row) OVER told AS first, first_value(phone_index) OVER (told ORDER BY row) AS other
    FROM {contacts} WINDOW told AS (PARTITION BY account_index, person_index)
) c WHERE phone_index <> other ORDER BY row
"""
_FOUND = """
CREATE TEMPORARY TABLE {found} AS
    SELECT c.row, a.holder_id FROM {contacts} c
    JOIN {holdings} a ON a.account_index = c.account_index
    UNION
    SELECT c.row, h.id FROM {contacts} c JOIN {holders} h ON h.person_index = c.person_index
"""
_STRANGERS = """
SELECT row, line, shown FROM {contacts} c
WHERE NOT EXISTS (SELECT FROM {found} f WHERE f.row = c.row) ORDER BY row
"""
# The first row of the file that names the holder counts, as in the register itself.
_MISSING = """
SELECT DISTINCT ON (h.id) h.id, h.sealed, c.row, c.phone_index, c.sealed
FROM {found} f JOIN {contacts} c USING (row) JOIN {holders} h ON h.id = f.holder_id
WHERE h.phone_masked = '' ORDER BY h.id, c.row
"""
_FILLED = """
CREATE TEMPORARY TABLE {filled} (id bigint, phone_masked text, phone_index bytea, sealed bytea)
"""
_UPDATE = """
UPDATE {holders} h
SET phone_masked = f.phone_masked, phone_index = f.phone_index, sealed = f.sealed
FROM {filled} f WHERE h.id = f.id
"""
_DROP = "DROP TABLE {contacts}, {found}, {filled}"
_COPY_CONTACTS = "COPY {contacts} FROM STDIN"
_COPY_FILLED = "COPY {filled} FROM STDIN"


class CannotFill(CannotAdvance):
    message = _("名册启用之后、开放投票链接之前才能补充手机号码。")


class Filling:
    """One contact file and the holders of a meeting; everything in the caller's transaction."""

    def __init__(self, meeting: Meeting) -> None:
        """CannotFill where no register is in force, or links are open."""
        has_register = meeting.registers.filter(state=Register.State.LOADED).exists()
        if meeting.state not in lifecycle.BEFORE_INVITATION or not has_register:
            raise CannotFill
        self._keys = records.keys_of(meeting.pk)
        self._base = ids.holder_range(meeting.pk)[0]
        token = secrets.token_hex(4)
        names = {name: f"{name}_{token}" for name in ("contacts", "found", "filled")}
        for table in ("holders", "holdings"):
            names[table] = partitions.partition_name(f"meetings_{table[:-1]}", meeting.pk)
        self._names = {name: sql.Identifier(table) for name, table in names.items()}

    def fill(self, chunks: Iterator[pl.DataFrame]) -> Iterator[Finding]:
        """Give holders without a phone the one of the file; yields what is wrong or odd."""
        self._execute(_STAGE)
        for chunk in chunks:
            self._stage(chunk)
        self._execute(_INDEX)
        for row, line, shown, first in self._rows(_CONFLICTS):
            yield Finding("DUPLICATE_ROW", row, line, "account_no", shown, first)
        self._execute(_FOUND)
        for row, line, shown in self._rows(_STRANGERS):
            yield Finding("NOT_ON_REGISTER", row, line, "account_no", shown)
        self._execute(_FILLED)
        self._fill_missing()
        self._execute(_UPDATE)
        self._execute(_DROP)

    def _stage(self, rows: pl.DataFrame) -> None:
        with connection.cursor() as cursor, cursor.copy(self._compose(_COPY_CONTACTS)) as copy:
            for row in rows.iter_rows(named=True):
                phone = row["phone"][-11:]
                account, ymt = row["account_no"], row["ymt_no"]
                copy.write_row(
                    (
                        row["row"],
                        row["line"],
                        (account and records.account_index(self._keys.index, account)) or None,
                        None if account else self._person_index(ymt),
                        masking.mask_account(account or ymt),
                        records.phone_index(self._keys.index, phone),
                        self._seal(phone.encode(), context=_contact_context(row["row"])),
                    )
                )

    def _fill_missing(self) -> None:
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(_MISSING))
            while found := cursor.fetchmany(HOLDERS_AT_ONCE):
                with (
                    connection.cursor() as writer,
                    writer.copy(self._compose(_COPY_FILLED)) as copy,
                ):
                    for row in found:
                        copy.write_row(self._filled(*row))

    def _filled(
        self, holder: int, sealed: bytes, row: int, phone_index: bytes, sealed_phone: bytes
    ) -> tuple[Any, ...]:
        """The holder's new phone and record."""
        key = self._keys.records
        phone = sealing.open_sealed(key, sealed_phone, context=_contact_context(row)).decode()
        context = records.record_context(holder)
        person = Person.decode(sealing.open_sealed(key, sealed, context=context))
        record = replace(person, phone=phone).encode()
        return holder, masking.mask_phone(phone), phone_index, self._seal(record, context=context)

    def _person_index(self, ymt: str) -> bytes:
        return records.person_index(
            self._keys.index, ymt=ymt, name="", id_type="", id_number="", account=""
        )

    def _seal(self, plain: bytes, *, context: bytes) -> bytes:
        return sealing.seal(
            self._keys.records, plain, context=context, algorithm=settings.SEALING_ALGORITHM
        )

    def _compose(self, statement: str) -> sql.Composed:
        return sql.SQL(statement).format(**self._names)

    def _execute(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(self._compose(statement))

    def _rows(self, statement: str) -> Iterator[Any]:
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(statement))
            while found := cursor.fetchmany(HOLDERS_AT_ONCE):
                yield from found


def _contact_context(row: int) -> bytes:
    return b"contact %d" % row
