"""Vote codes (投票码): what a message carries where it may not carry a personal link.

Ten characters of Crockford's base 32, typed beside the stock code that names the meeting:

    28 bits   the holder's index in the register, masked by the MAC
    22 bits   of HMAC-SHA-256 under the meeting's LINKS key over index and generation

Masked, neighbours in the register have codes that look nothing alike, and a guesser cannot choose
whom to guess: of a register of a million, one code in 2^28 is anybody's. That is far too few bits
for a secret that opens something, so a code is followed by a code to the registered phone, under
limits of its own.
"""

from __future__ import annotations

import hmac
import unicodedata

from identity.links import GENERATIONS, Link
from meetings.keys import link_key
from meetings.live import LIVE_STATES, live_meeting
from meetings.models import Meeting
from voting_portal.common import codes, ids

CHARACTERS = 10

_MAC_BITS = 22
_VALUES = {character: value for value, character in enumerate(codes.ALPHABET)}
# What people read or type for a character that the alphabet leaves out.
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", " ": "", "-": ""})


def personal_code(holder_id: int, generation: int) -> str:
    """The ten characters for one holder; KeyDestroyed when the meeting's keys are gone."""
    _key_id, key = link_key(ids.meeting_of(holder_id))
    return make_code(key, holder_id, generation)


def make_code(key: bytes, holder_id: int, generation: int) -> str:
    """The ten characters for a holder under the meeting's LINKS key."""
    index = ids.index_of(holder_id)
    mac = _mac(key, index, generation)
    number = (index ^ _mask(key, mac)) << _MAC_BITS | mac
    return "".join(codes.ALPHABET[number >> shift & 31] for shift in range(45, -1, -5))


def holder_of_code(security_code: str, text: str) -> Link | None:
    """Whom a typed code names at a live meeting of the company with this stock code."""
    meetings = Meeting.objects.filter(
        issuer__security_code=security_code, state__in=LIVE_STATES
    ).order_by("-id")
    for meeting_id in meetings.values_list("pk", flat=True):
        live = live_meeting(meeting_id)
        for key in live.link_keys.values() if live else ():
            if link := parse_code(key, meeting_id, text):
                return link
    return None


def parse_code(key: bytes, meeting_id: int, text: str) -> Link | None:
    """Whom a typed code names at this meeting, as a link would; None for every other text.

    Blanks, hyphens, lower case, full width and the look-alikes of 0 and 1 do not matter. Whether
    the generation is still in force is the holder's row.
    """
    typed = unicodedata.normalize("NFKC", text).upper().translate(_MISREAD)
    if len(typed) != CHARACTERS or not set(typed) <= _VALUES.keys():
        return None
    number = 0
    for character in typed:
        number = number << 5 | _VALUES[character]
    mac = number & (1 << _MAC_BITS) - 1
    index = number >> _MAC_BITS ^ _mask(key, mac)
    found = -1
    for generation in range(GENERATIONS):  # all four, so that time does not tell which
        if hmac.compare_digest(mac.to_bytes(3), _mac(key, index, generation).to_bytes(3)):
            found = generation
    if found < 0 or not index:
        return None
    return Link(ids.holder_id(meeting_id, index), meeting_id, found)


def _mac(key: bytes, index: int, generation: int) -> int:
    digest = hmac.digest(key, b"code %d %d" % (index, generation), "sha256")
    return int.from_bytes(digest[:4]) >> 32 - _MAC_BITS


def _mask(key: bytes, mac: int) -> int:
    digest = hmac.digest(key, b"code mask %d" % mac, "sha256")
    return int.from_bytes(digest[:4]) >> 32 - ids.INDEX_BITS
