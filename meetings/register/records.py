"""A holder's sealed record and the blind indexes by which holders are found.

The record is `name NUL id type NUL id number NUL phone NUL account,account...`, sealed under the
meeting's RECORDS key for the holder's id. Registers cannot hold NUL: the reader refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from meetings.keys import meeting_key
from meetings.models import Holder, MeetingKey
from meetings.register.sealed_rows import Keys, record_context
from voting_portal.common import sealing

__all__ = [
    "Keys",
    "Person",
    "account_index",
    "keys_of",
    "open_person",
    "person_index",
    "phone_in",
    "phone_index",
    "record_context",
    "seal_person",
]


def keys_of(meeting_id: int) -> Keys:
    """The keys under which a meeting's register is kept."""
    return Keys(
        meeting_key(meeting_id, MeetingKey.Purpose.RECORDS),
        meeting_key(meeting_id, MeetingKey.Purpose.INDEX),
    )


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


def phone_in(record: bytes) -> str:
    """The phone of an encoded person; what else the record says stays unread."""
    return record.split(b"\0", 4)[3].decode()


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
