"""Personal links (投票链接): an address that says who its holder is and proves it, with no table.

25 base62 characters in three parts:

     5  key id (6 bits) | meeting (22 bits)      all of a link that logs may keep
     5  the holder's index in the register (28 bits)
    15  88 bits of HMAC-SHA-256 under the meeting's LINKS key over key id, meeting, index and
        generation

The two-bit generation is in the MAC only: raising it in the holder's row ends the links of before.
A meeting may have several keys; links of a key that is gone are links of nobody (reissuing.py).
A guess is right once in 2^88, however many links are live.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from meetings import live
from meetings.keys import link_key
from voting_portal.common import ids

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHARACTERS = 25
GENERATIONS = 4

_BLOCK = 62**5
_MAC_BYTES = 11
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]

MeetingOf = Callable[[int, int], live.LiveMeeting | None]  # of a number and a key id


@dataclass(frozen=True)
class Link:
    """What a genuine link says; whether its generation is still in force is the holder's row."""

    holder_id: int
    meeting_id: int
    generation: int


def personal_url(holder_id: int, generation: int) -> str:
    """The absolute address for one holder; KeyDestroyed when the meeting's keys are gone."""
    return url_writer(ids.meeting_of(holder_id))(holder_id, generation)


def url_writer(meeting_id: int) -> Callable[[int, int], str]:
    """`personal_url` for many holders of one meeting: a function of holder and generation."""
    key_id, key = link_key(meeting_id)
    address = f"{settings.PUBLIC_URL}/v/"
    return lambda holder_id, generation: (
        address + sign_link(key, holder_id, generation, key_id=key_id)
    )


def sign_link(key: bytes, holder_id: int, generation: int, *, key_id: int = 1) -> str:
    """The 25 characters for a holder under the meeting's LINKS key of this id."""
    head = key_id << ids.MEETING_BITS | ids.meeting_of(holder_id)
    index = ids.index_of(holder_id)
    mac, low = divmod(_mac(key, head, index, generation), _BLOCK)
    high, middle = divmod(mac, _BLOCK)
    return (
        _characters(head)
        + _characters(index)
        + _characters(high)
        + _characters(middle)
        + _characters(low)
    )


def read_link(text: str, *, meeting_of: MeetingOf = live.live_meeting) -> Link | None:
    """Who a link names, or None for every link that this portal did not sign.

    Takes the first 25 characters: phones glue what follows an address onto it. Judged in the order
    of cost, without a query or a cache call: length, alphabet, key id, meeting, MAC.
    """
    if len(text) < CHARACTERS:
        return None
    try:
        head, index, high, middle, low = (
            _number(text[at : at + 5]) for at in range(0, CHARACTERS, 5)
        )
    except KeyError:
        return None
    key_id, meeting_id = head >> ids.MEETING_BITS, head & ids.MAX_MEETING
    if not (key_id > 0 and 0 < index <= ids.MAX_INDEX):
        return None
    meeting = meeting_of(meeting_id, key_id)
    key = meeting.link_keys.get(key_id) if meeting else None
    mac = (high * _BLOCK + middle) * _BLOCK + low
    if key is None or mac >> 8 * _MAC_BYTES:
        return None
    given = mac.to_bytes(_MAC_BYTES, "big")
    found = -1
    for generation in range(GENERATIONS):  # all four, so that time does not tell which
        true = _mac(key, head, index, generation).to_bytes(_MAC_BYTES, "big")
        if hmac.compare_digest(given, true):
            found = generation
    if found < 0:
        return None
    return Link(ids.holder_id(meeting_id, index), meeting_id, found)


def _mac(key: bytes, head: int, index: int, generation: int) -> int:
    message = b"link %d %d %d" % (head, index, generation)
    return int.from_bytes(hmac.digest(key, message, "sha256")[:_MAC_BYTES], "big")


def _characters(number: int) -> str:
    """Five base62 characters of a number below 62^5."""
    number, last = divmod(number, 3844)
    first, middle = divmod(number, 3844)
    return ALPHABET[first] + _PAIRS[middle] + _PAIRS[last]


def _number(characters: str) -> int:
    number = 0
    for character in characters:
        number = number * 62 + _VALUES[character]
    return number
