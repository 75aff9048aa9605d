"""ID tokens of OpenID Connect, judged by rules of our own.

The signature is checked against the provider's published keys and a fixed list of algorithms; what
the token's header says of keys is not listened to, and a header that brings a key is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from identity.providers.protocol import CannotProve, read_time

CLOCK_SKEW_SECONDS = 60
LARGEST_TOKEN = 20_000
# Only signatures by a private key: a shared secret would let us sign for the provider.
ALGORITHMS = ("ES256", "PS256", "RS256", "EdDSA")
_KEYS_IN_HEADER = {"jwk", "jku", "x5u", "x5c", "crit"}


@dataclass(frozen=True)
class Expected:
    """What a token must say to be taken."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Sequence[str]
    max_age: int  # seconds since the person proved who they are
    acr_values: Sequence[str] = ()  # any of them; none asked: empty


def read_id_token(
    token: str, keys: KeySet, expected: Expected, *, now: datetime
) -> Mapping[str, Any]:
    """The claims of a token that holds in every respect; CannotProve with the reason if not."""
    claims = _claims(token, keys, expected.algorithms)
    seconds = now.timestamp()
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != expected.issuer:
        raise CannotProve("another issuer")
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise CannotProve("another audience")
    if len(audiences) > 1 and claims.get("azp") != expected.client_id:
        raise CannotProve("another authorized party")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise CannotProve("no subject")
    if claims.get("nonce") != expected.nonce:  # whoever sends it has signed it: no oracle
        raise CannotProve("another nonce")
    if read_time(claims, "exp") <= seconds - CLOCK_SKEW_SECONDS:
        raise CannotProve("expired")
    if read_time(claims, "iat") > seconds + CLOCK_SKEW_SECONDS:
        raise CannotProve("issued in the future")
    age = seconds - read_time(claims, "auth_time")
    if not -CLOCK_SKEW_SECONDS <= age <= expected.max_age + CLOCK_SKEW_SECONDS:
        raise CannotProve("proved too long ago")
    if expected.acr_values and claims.get("acr") not in expected.acr_values:
        raise CannotProve("proved too weakly")
    return claims


def proved_at(claims: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(read_time(claims, "auth_time"), UTC)


def _claims(token: str, keys: KeySet, algorithms: Sequence[str]) -> Mapping[str, Any]:
    if len(token) > LARGEST_TOKEN:
        raise CannotProve("no token")
    try:
        header = jws.extract_compact(token.encode()).headers()
        if _KEYS_IN_HEADER & header.keys():
            raise CannotProve("the token brings its own key")
        if header.get("alg") not in algorithms or header.get("alg") not in ALGORITHMS:
            raise CannotProve("the algorithm is not one of those agreed")
        read = jws.deserialize_compact(token, keys, algorithms=list(algorithms))
        claims = json.loads(read.payload)
    except (JoseError, ValueError, TypeError, AttributeError):
        raise CannotProve("the signature does not hold") from None
    if not isinstance(claims, dict):
        raise CannotProve("the token holds no claims")
    return claims
