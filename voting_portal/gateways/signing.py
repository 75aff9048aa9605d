"""Signed requests between the portal and a gateway, the same in both directions.

    X-Portal-Signature = hex HMAC-SHA-256(secret, timestamp "." nonce "." raw body)

While a secret is replaced both live ones sign, with a blank between the signatures: whoever knows
the old one or the new one can check.
The signature covers the body, so a request that is played again can only repeat what was said: the
portal keeps one row for equal receipts (notifications/receipts.py).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

TIMESTAMP, NONCE, SIGNATURE = "X-Portal-Timestamp", "X-Portal-Nonce", "X-Portal-Signature"
CLOCK_SKEW_SECONDS = 300
MOST_SIGNATURES = 2


class BadSignature(Exception):
    """Not signed with a live secret, or not lately; the message says which."""


def signature(secret: str, *, timestamp: str, nonce: str, body: bytes) -> str:
    signed = b".".join((timestamp.encode(), nonce.encode(), body))
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def signed_headers(
    secret: str, body: bytes, *, now: datetime, old_secret: str = ""
) -> dict[str, str]:
    """The three headers of a request with this body."""
    timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(16)
    signed = " ".join(
        signature(live, timestamp=timestamp, nonce=nonce, body=body)
        for live in (secret, old_secret)
        if live
    )
    return {TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signed}


def check(
    live_secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    """BadSignature unless one of the secrets signed this body within CLOCK_SKEW_SECONDS.

    There may be two live secrets, so that one can be replaced without losing a receipt.
    """
    timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
    given = headers.get(SIGNATURE, "").encode().split(b" ", MOST_SIGNATURES)[:MOST_SIGNATURES]
    if not (timestamp.isascii() and timestamp.isdigit() and nonce):
        raise BadSignature("the request is not signed")
    right = [
        signature(secret, timestamp=timestamp, nonce=nonce, body=body).encode()
        for secret in live_secrets
    ]
    if not any(hmac.compare_digest(one, other) for one in given for other in right):
        raise BadSignature("the signature is wrong")
    if abs(now.timestamp() - int(timestamp)) > CLOCK_SKEW_SECONDS:
        raise BadSignature("the signature is too old, or a clock is wrong")
