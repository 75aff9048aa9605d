"""What a leaf says without telling: a record bound by a hash that only its salt opens.

Salts and pseudonyms come from the meeting's own log key, so nothing needs to be stored beside a
ballot to open it, and once the key is destroyed nothing opens it any more.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import IntEnum

from meetings.keys import meeting_key
from meetings.models import MeetingKey
from voting_portal.common.codes import ALPHABET

TAG = b"ballot-log/v1 commitment\n"
SALT_BYTES = 16
CODE_BYTES = 10


class Kind(IntEnum):
    """What a leaf is; the first byte of its entry."""

    START = 1
    BALLOT = 2
    CLOSE = 3
    OTHER = 4
    TALLY = 5
    HOLDER = 6
    KEY = 7


def commit(salt: bytes, record: bytes) -> bytes:
    """The commitment to a record: 32 bytes."""
    return hashlib.sha256(TAG + salt + record).digest()


def entry(kind: int, commitment: bytes) -> bytes:
    """What the tree's leaf is the hash of."""
    return bytes([kind]) + commitment


def salt_of(meeting_id: int, kind: Kind, subject: int) -> bytes:
    """The salt of what a leaf is about: a ballot, a vote, a holder, by its id."""
    key = meeting_key(meeting_id, MeetingKey.Purpose.LOG)
    return hmac.digest(key, salt_subject(kind, subject), "sha256")[:SALT_BYTES]


def salt_subject(kind: Kind, subject: int) -> bytes:
    return bytes([kind]) + subject.to_bytes(8)


def pseudonym(holder_id: int, meeting_id: int) -> str:
    """What stands for a holder in the log of one meeting, as hex."""
    key = meeting_key(meeting_id, MeetingKey.Purpose.LOG)
    return hmac.digest(key, holder_id.to_bytes(8), "sha256")[:16].hex()


def code_of(commitment: bytes) -> str:
    """The confirmation code (确认码): the first 80 bits in Crockford's base 32."""
    number = int.from_bytes(commitment[:CODE_BYTES])
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def prefix_of(code: str) -> bytes | None:
    """The bytes with which the commitment of a code begins; None for what is no code.

    As people type it: small letters, blanks, dashes, and O, I, L for the digits they look like.
    """
    plain = "".join(code.upper().split()).replace("-", "").translate(_MISREAD)
    if len(plain) != CODE_BYTES * 8 // 5 or not set(plain) <= set(ALPHABET):
        return None
    number = 0
    for character in plain:
        number = number << 5 | ALPHABET.index(character)
    return number.to_bytes(CODE_BYTES)


_MISREAD = str.maketrans("OIL", "011")
