"""A holder's sealed record and the blind indexes by which holders are found.

The record is `name NUL id type NUL id number NUL phone NUL account,account...`, sealed under the
meeting's RECORDS key for the holder's id. Registers cannot hold NUL: the reader refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from django.conf import settings

from meetings.keys import meeting_key
from meetings.models import Holder, MeetingKey
from voting_portal.common import ids, sealing


@dataclass(frozen=True)
class Keys:
    """The two data keys that a load needs."""

    records: bytes
    index: bytes

    @classmethod
    def of_meeting(cls, meeting_id: int) -> Keys:
        return cls(
            meeting_key(meeting_id, MeetingKey.Purpose.RECORDS),
            meeting_key(meeting_id, MeetingKey.Purpose.INDEX),
        )

    @classmethod
    def random(cls) -> Keys:
        """Keys for a check that leaves nothing behind."""
        return cls(sealing.new_key(), sealing.new_key())


@dataclass(frozen=True)
class Person:
    """What the register says of a holder; `phone` is blank when no message can reach it."""

    name: str
    id_type: str
    id_number: str
    phone: str
    accounts: tuple[str, ...]

    def encode(self) -> bytes:
        fields = (self.name, self.id_type, self.id_number, self.phone, ",".join(self.accounts))
        return "\0".join(fields).encode()

    @classmethod
    def decode(cls, record: bytes) -> Person:
        name, id_type, id_number, phone, accounts = record.decode().split("\0")
        return cls(name, id_type, id_number, phone, tuple(accounts.split(",")))


def seal_person(key: bytes, holder_id: int, record: bytes) -> bytes:
    """Seal `Person.encode()` for the row of this holder."""
    return sealing.seal(
        key, record, context=record_context(holder_id), algorithm=settings.SEALING_ALGORITHM
    )


def open_person(holder: Holder) -> Person:
    """The holder's record; KeyDestroyed after the purge, CannotOpen when it was tampered with."""
    key = meeting_key(holder.meeting_id, MeetingKey.Purpose.RECORDS)
    context = record_context(holder.pk)
    return Person.decode(sealing.open_sealed(key, bytes(holder.sealed), context=context))


def record_context(holder_id: int) -> bytes:
    return b"holder %d" % holder_id


def person_index(
    key: bytes, *, ymt: str, name: str, id_type: str, id_number: str, account: str
) -> bytes:
    """Who is one holder (rule E4): 一码通, else name + ID type + ID number, else the account.

    Never the ID number alone: a broker's own account and its clients' guarantee account share one.
    """
    if ymt:
        return sealing.blind_index(key, f"ymt {ymt}")
    if id_number:
        return sealing.blind_index(key, f"id {name}\0{id_type}\0{id_number}")
    return sealing.blind_index(key, f"only account {account}")


def account_index(key: bytes, account: str) -> bytes:
    return sealing.blind_index(key, f"account {account}")


def phone_index(key: bytes, phone: str) -> bytes:
    return sealing.blind_index(key, f"phone {phone}")


def seal_rows(rows: pl.DataFrame, keys: Keys, *, meeting_id: int) -> pl.DataFrame:
    """Binary columns for the good rows of a register (checks.py): `person_index`, `account_index`,
    `phone_index` (null: no phone) and `sealed`, as the functions above make them one by one.

    Each row is sealed as a person of its own, for holder number `row`.
    """
    nul = pl.lit("\0")
    person = (
        pl.when(pl.col("ymt") != "")
        .then(pl.concat_str(pl.lit("ymt "), "ymt"))
        .when(pl.col("id_no") != "")
        .then(pl.concat_str(pl.lit("id "), "identity", nul, "id_type", nul, "id_no"))
        .otherwise(pl.concat_str(pl.lit("only account "), "account"))
    )
    words = rows.select(
        person=person.cast(pl.Binary),
        account=pl.concat_str(pl.lit("account "), "account").cast(pl.Binary),
        phone=pl.concat_str(pl.lit("phone "), "phone").cast(pl.Binary),
        record=pl.concat_str(
            "name", nul, "id_type", nul, "id_no", nul, "phone", nul, "account"
        ).cast(pl.Binary),
    )
    seal = sealing.sealer(keys.records, algorithm=settings.SEALING_ALGORITHM)
    first = ids.holder_range(meeting_id)[0]
    sealed = [
        seal(record, record_context(first + row))
        for row, record in zip(rows["row"], words["record"], strict=True)
    ]
    phones = pl.Series(sealing.blind_indexes(keys.index, words["phone"]), dtype=pl.Binary)
    return pl.DataFrame(
        {
            "person_index": sealing.blind_indexes(keys.index, words["person"]),
            "account_index": sealing.blind_indexes(keys.index, words["account"]),
            "phone_index": phones,
            "sealed": sealed,
        },
        schema=dict.fromkeys(("person_index", "account_index", "phone_index", "sealed"), pl.Binary),
    ).with_columns(phone_index=pl.when(rows["phone"] != "").then("phone_index"))
