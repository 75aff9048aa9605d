"""How the clouds sign requests: one canonical form of a request, three ways to sign its hash.

ACS3-HMAC-SHA256  Alibaba, V3     secret signs  scheme, hash
TC3-HMAC-SHA256   Tencent, V3     a key of the day and service signs  scheme, time, scope, hash
SDK-HMAC-SHA256   Huawei, AK/SK   secret signs  scheme, time, hash
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

_AUTHORIZATION = re.compile(
    r"(?P<scheme>[\w-]+) (?:Credential|Access)=(?P<who>[^,\s]+), ?"
    r"SignedHeaders=(?P<signed>[\w;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Request:
    """What is signed; the names of `headers` are lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


def query_string(query: Mapping[str, str]) -> str:
    """Sorted and quoted as all three clouds want it, in the signature and in the address."""
    return "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(query.items()))


def acs3(request: Request, signed: Sequence[str], *, secret: str) -> str:
    return _hmac(secret.encode(), f"ACS3-HMAC-SHA256\n{_digest(request, signed)}").hex()


def tc3(request: Request, signed: Sequence[str], *, secret: str, service: str) -> str:
    timestamp = request.headers["x-tc-timestamp"]
    day = datetime.fromtimestamp(int(timestamp), UTC).date().isoformat()
    key = f"TC3{secret}".encode()
    for part in (day, service, "tc3_request"):
        key = _hmac(key, part)
    scope = f"{day}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{_digest(request, signed)}"
    return _hmac(key, text).hex()


def sdk(request: Request, signed: Sequence[str], *, secret: str) -> str:
    digest = _digest(request, signed, path=request.path.rstrip("/") + "/")
    text = f"SDK-HMAC-SHA256\n{request.headers['x-sdk-date']}\n{digest}"
    return _hmac(secret.encode(), text).hex()


def signed_by(request: Request, *, secret: str) -> str:
    """Whose key, by its id, signed the request with this secret; blank for none.

    The carrier's side of all three: for the simulator, and for holding other people's requests
    against ours.
    """
    given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if given is None:
        return ""
    signed = given["signed"].split(";")
    who, _slash, scope = given["who"].partition("/")
    try:
        match given["scheme"]:
            case "ACS3-HMAC-SHA256":
                right = acs3(request, signed, secret=secret)
            case "TC3-HMAC-SHA256":
                right = tc3(request, signed, secret=secret, service=scope.split("/")[1])
            case "SDK-HMAC-SHA256":
                right = sdk(request, signed, secret=secret)
            case _:
                return ""
    except (KeyError, ValueError, IndexError):
        return ""
    return who if hmac.compare_digest(right, given["signature"]) else ""


def _digest(request: Request, signed: Sequence[str], *, path: str | None = None) -> str:
    lines = (
        request.method,
        quote(path or request.path, safe="/~"),
        query_string(request.query),
        "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed),
        ";".join(signed),
        hashlib.sha256(request.body).hexdigest(),
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
