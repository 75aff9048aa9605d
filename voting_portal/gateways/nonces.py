"""Nonces of signed callbacks whose signature leaves out the body: one nonce, one body.

Whoever has seen a genuine callback could send it again with another body. The same body again is
the carrier trying once more, and harmless.
"""

from __future__ import annotations

import hashlib

import redis
from django.conf import settings

from voting_portal.gateways import pacing

LIFE_SECONDS = 600  # longer than a signature is taken as fresh


class NonceStoreAway(Exception):
    """Redis gives no answer, so nobody knows what was seen; the carrier shall post again."""


def is_first_use(gateway: str, nonce: str, body: bytes) -> bool:
    """Whether this nonce came with no other body before; it is kept from now on."""
    seen = hashlib.sha256(nonce.encode()).hexdigest()
    digest = hashlib.sha256(body).hexdigest()
    key = f"nonce:{gateway}:{seen}"
    client = pacing.redis_client(settings.REDIS_URL)
    try:
        is_new = client.set(key, digest, nx=True, ex=LIFE_SECONDS)
        return bool(is_new) or client.get(key) == digest.encode()
    except redis.RedisError as error:
        raise NonceStoreAway(type(error).__name__) from None
