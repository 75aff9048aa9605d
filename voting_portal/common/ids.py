"""Identifiers that carry their meeting.

A holder is number `index` (from 1) of one meeting's register, and the row's id says so:

    holder   = meeting * 2^28 + index            up to 268 million holders a meeting
    ballot   = holder * 2^3  + share class       the first vote counts: it is the primary key
    delivery = holder * 2^13 + campaign * 2^3 + step   one message a holder, campaign and step
    leaf     = meeting * 2^33 + place in the ballot log, from 0

A meeting's rows are therefore one contiguous range of ids, which is one partition; PostgreSQL
finds the partition from the id alone, and the end of a meeting's data is one DROP TABLE. A meeting
has 22 bits, so the largest delivery id is 2^63 - 1 and fits a bigint.
"""

from __future__ import annotations

MEETING_BITS = 22
INDEX_BITS = 28
CLASS_BITS = 3
CAMPAIGN_BITS = 10
STEP_BITS = 3
LEAF_BITS = 33
DELIVERY_BITS = CAMPAIGN_BITS + STEP_BITS

MAX_MEETING = (1 << MEETING_BITS) - 1
MAX_INDEX = (1 << INDEX_BITS) - 1


def holder_id(meeting: int, index: int) -> int:
    """The id of holder `index` of a meeting; ValueError when either is out of its bits."""
    if not 0 < meeting <= MAX_MEETING or not 0 < index <= MAX_INDEX:
        raise ValueError(f"no holder {index} in meeting {meeting}")
    return meeting << INDEX_BITS | index


def meeting_of(holder: int) -> int:
    """The meeting to which a holder id (or the id of a holding) belongs."""
    return holder >> INDEX_BITS


def index_of(holder: int) -> int:
    """The holder's number in the meeting's register."""
    return holder & MAX_INDEX


def ballot_id(holder: int, share_class: int) -> int:
    """The id of a holder's ballot with one class of shares (its number, 0 to 7)."""
    if not 0 <= share_class < 2**CLASS_BITS:
        raise ValueError(f"no share class {share_class}")
    return holder << CLASS_BITS | share_class


def delivery_id(holder: int, campaign: int, step: int) -> int:
    """The id of the message of one campaign (its number in the meeting) and step to a holder."""
    if not 0 <= campaign < 2**CAMPAIGN_BITS or not 0 <= step < 2**STEP_BITS:
        raise ValueError(f"no campaign {campaign} or step {step}")
    return holder << DELIVERY_BITS | campaign << STEP_BITS | step


def leaf_id(meeting: int, place: int) -> int:
    """The id of a leaf of a meeting's ballot log (its place from 0)."""
    if not 0 < meeting <= MAX_MEETING or not 0 <= place < 2**LEAF_BITS:
        raise ValueError(f"no leaf {place} in meeting {meeting}")
    return meeting << LEAF_BITS | place


def place_of_leaf(leaf: int) -> int:
    return leaf & ((1 << LEAF_BITS) - 1)


def leaf_range(meeting: int) -> tuple[int, int]:
    """First id and the id after the last of the leaves of a meeting's log."""
    return meeting << LEAF_BITS, (meeting + 1) << LEAF_BITS


def holder_of_delivery(delivery: int) -> int:
    return delivery >> DELIVERY_BITS


def holder_range(meeting: int) -> tuple[int, int]:
    """First id and the id after the last of a meeting's holders, and of their holdings."""
    return meeting << INDEX_BITS, (meeting + 1) << INDEX_BITS


def ballot_range(meeting: int) -> tuple[int, int]:
    first, end = holder_range(meeting)
    return first << CLASS_BITS, end << CLASS_BITS


def delivery_range(meeting: int) -> tuple[int, int]:
    first, end = holder_range(meeting)
    return first << DELIVERY_BITS, min(end << DELIVERY_BITS, 2**63 - 1)
