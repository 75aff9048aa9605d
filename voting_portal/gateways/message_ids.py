"""Ids of messages for carriers that let us choose them: UUIDs that carry our reference and a MAC.

A receipt then names our own message without a table, and one with an id that was never given out
is seen to be made up. Bits: 63 of the reference, 59 of the MAC, 6 that every UUID (version 8) has.
"""

from __future__ import annotations

import hmac
import uuid

_MAC_BITS, _TAIL_BITS = 59, 62
_VERSION, _VARIANT = 8, 0b10


def message_id(key: bytes, ref: str) -> str:
    """Always the same id for a reference; one that is no number cannot be read back."""
    number = int(ref) if _is_number(ref) else 0
    return _uuid(number << _MAC_BITS | _mac(key, ref))


def ref_of(key: bytes, message_id: str) -> str:
    """The reference in an id that was given out; ValueError for any other."""
    bits = uuid.UUID(message_id).int
    # What stands left of the version, between it and the variant, and right of that.
    value = bits >> 80 << 74 | (bits >> 64 & 0xFFF) << _TAIL_BITS | bits & (1 << _TAIL_BITS) - 1
    ref = str(value >> _MAC_BITS)
    given = value & (1 << _MAC_BITS) - 1
    if not hmac.compare_digest(given.to_bytes(8), _mac(key, ref).to_bytes(8)):
        raise ValueError("the id was not given out here")
    return ref


def _is_number(ref: str) -> bool:
    is_canonical = ref.isascii() and ref.isdigit() and ref == str(int(ref))
    return is_canonical and int(ref) < 2**63


def _mac(key: bytes, ref: str) -> int:
    digest = hmac.digest(key, b"message id " + ref.encode(), "sha256")
    return int.from_bytes(digest[:8]) >> 64 - _MAC_BITS


def _uuid(value: int) -> str:
    head, middle = value >> 74, value >> _TAIL_BITS & 0xFFF
    tail = value & (1 << _TAIL_BITS) - 1
    return str(uuid.UUID(int=head << 80 | _VERSION << 76 | middle << 64 | _VARIANT << 62 | tail))
