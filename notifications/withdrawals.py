"""Replies that say "no more of this" (退订): R, TD, T, N or 退订, however they are typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from notifications import suppressions
from voting_portal.gateways.protocol import Reply

WORDS = frozenset({"R", "TD", "T", "N", "退订", "不再接收", "OPTOUT"})


def take_replies(gateway: str, replies: Iterable[Reply], *, now: datetime) -> int:
    """Write to nobody again who asks for that; return how many did. Other replies are let go."""
    withdrawn = [reply.phone for reply in replies if is_withdrawal(reply.text)]
    for phone in withdrawn:
        suppressions.withdraw(phone=phone, by=f"gateway:{gateway}", at=now)
    return len(withdrawn)


def is_withdrawal(text: str) -> bool:
    """Whether a reply is one of WORDS: in any width and case, with 回复 before it, or signs."""
    plain = unicodedata.normalize("NFKC", text).upper().strip()
    said = "".join(sign for sign in plain if sign.isalnum())
    return said.removeprefix("回复") in WORDS
