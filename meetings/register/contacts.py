"""Phones from a contact file (联系方式): registers often lack them, and only the register's holders
get messages. They are kept sealed, by account or 一码通, so that each version of the register gets
them; where it lacks a phone, it is filled in and the holder's record sealed anew.
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
from voting_portal.common import masking, partitions, sealing

HOLDERS_AT_ONCE = 2_000
_STAGE = """
CREATE TEMPORARY TABLE {contacts} (
    row integer, line integer, account_index bytea, person_index bytea, shown text,
    phone_index bytea, sealed bytea)
"""
# A person or an account with two phones: nobody can say which is right.
_CONFLICTS = """
SELECT row, line, shown, first FROM (
    SELECT row, line, shown, phone_index,
        min(row) OVER told AS first, first_value(phone_index) OVER (told ORDER BY row) AS other
    FROM {contacts} WINDOW told AS (PARTITION BY account_index, person_index)
) c WHERE phone_index <> other ORDER BY row
"""
_STRANGERS = """
SELECT row, line, shown FROM {contacts} c
WHERE NOT EXISTS (SELECT FROM {holdings} a WHERE a.account_index = c.account_index)
    AND NOT EXISTS (SELECT FROM {holders} h WHERE h.person_index = c.person_index)
ORDER BY row
"""
# The first row that names a holder counts, as in the register itself, and the first file.
_KEEP = """
INSERT INTO meetings_contact (meeting_id, account_index, person_index, phone_index, sealed)
    SELECT {meeting}, account_index, person_index, phone_index, sealed FROM {contacts}
    ORDER BY row
ON CONFLICT DO NOTHING;
DROP TABLE {contacts}
"""
_MISSING = """
SELECT DISTINCT ON (h.id)
    h.id, h.sealed, coalesce(c.account_index, c.person_index), c.phone_index, c.sealed
FROM (
    SELECT c.id, a.holder_id FROM meetings_contact c JOIN {holdings} a USING (account_index)
    WHERE c.meeting_id = {meeting}
    UNION ALL
    SELECT c.id, h.id FROM meetings_contact c JOIN {holders} h USING (person_index)
    WHERE c.meeting_id = {meeting}
) found JOIN meetings_contact c USING (id) JOIN {holders} h ON h.id = found.holder_id
WHERE h.phone_masked = '' ORDER BY h.id, c.id
"""
_FILLED = """
CREATE TEMPORARY TABLE {filled} (id bigint, phone_masked text, phone_index bytea, sealed bytea)
"""
_UPDATE = """
UPDATE {holders} h
SET phone_masked = f.phone_masked, phone_index = f.phone_index, sealed = f.sealed
FROM {filled} f WHERE h.id = f.id;
DROP TABLE {filled}
"""
_COPY_CONTACTS = "COPY {contacts} FROM STDIN"
_COPY_FILLED = "COPY {filled} FROM STDIN"


class CannotFill(CannotAdvance):
    message = _("名册启用之后、开放投票链接之前才能补充手机号码。")


class Contacts:
    """The phones that are known of a meeting's holders; everything in the caller's transaction."""

    def __init__(self, meeting_id: int, *, holders: str, holdings: str) -> None:
        """`holders` and `holdings` are the tables of one version of the register."""
        self._keys = records.keys_of(meeting_id)
        token = secrets.token_hex(4)
        self._names: dict[str, sql.Composable] = {
            "meeting": sql.Literal(meeting_id),
            "holders": sql.Identifier(holders),
            "holdings": sql.Identifier(holdings),
            **{name: sql.Identifier(f"{name}_{token}") for name in ("contacts", "filled")},
        }

    @classmethod
    def of_register_in_force(cls, meeting: Meeting) -> Contacts:
        """CannotFill where no register is in force, or links are open."""
        has_register = meeting.registers.filter(state=Register.State.LOADED).exists()
        if meeting.state not in lifecycle.BEFORE_INVITATION or not has_register:
            raise CannotFill
        return cls(
            meeting.pk,
            holders=partitions.partition_name("meetings_holder", meeting.pk),
            holdings=partitions.partition_name("meetings_holding", meeting.pk),
        )

    def keep(self, chunks: Iterator[pl.DataFrame]) -> Iterator[Finding]:
        """Keep the phones of a file and fill in those that the register lacks; yields what is wrong
        or odd."""
        self._execute(_STAGE)
        for chunk in chunks:
            self._stage(chunk)
        for row, line, shown, first in self._rows(_CONFLICTS):
            yield Finding("DUPLICATE_ROW", row, line, "account_no", shown, first)
        for row, line, shown in self._rows(_STRANGERS):
            yield Finding("NOT_ON_REGISTER", row, line, "account_no", shown)
        self._execute(_KEEP)
        self.fill_in()

    def fill_in(self) -> int:
        """Give the holders without a phone the one that is kept; returns how many."""
        filled = 0
        self._execute(_FILLED)
        with connection.chunked_cursor() as cursor:
            cursor.execute(self._compose(_MISSING))
            while found := cursor.fetchmany(HOLDERS_AT_ONCE):
                filled += len(found)
                with (
                    connection.cursor() as writer,
                    writer.copy(self._compose(_COPY_FILLED)) as copy,
                ):
                    for row in found:
                        copy.write_row(self._filled(*row))
        self._execute(_UPDATE)
        return filled

    def _stage(self, rows: pl.DataFrame) -> None:
        with connection.cursor() as cursor, cursor.copy(self._compose(_COPY_CONTACTS)) as copy:
            for row in rows.iter_rows(named=True):
                phone = row["phone"][-11:]
                account, ymt = row["account_no"], row["ymt_no"]
                index = (
                    records.account_index(self._keys.index, account)
                    if account
                    else self._person_index(ymt)
                )
                copy.write_row(
                    (
                        row["row"],
                        row["line"],
                        index if account else None,
                        None if account else index,
                        masking.mask_account(account or ymt),
                        records.phone_index(self._keys.index, phone),
                        self._seal(phone.encode(), context=_contact_context(index)),
                    )
                )

    def _filled(
        self, holder: int, sealed: bytes, named_by: bytes, phone_index: bytes, sealed_phone: bytes
    ) -> tuple[Any, ...]:
        """The holder's new phone and record."""
        key = self._keys.records
        kept = sealing.open_sealed(key, sealed_phone, context=_contact_context(named_by))
        phone = kept.decode()
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


def _contact_context(named_by: bytes) -> bytes:
    """A phone is bound to the account or person that it was given for."""
    return b"contact " + named_by
