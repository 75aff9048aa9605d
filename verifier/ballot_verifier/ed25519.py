"""Checking Ed25519 signatures (RFC 8032, section 5.1), in whole numbers and nothing else.

Only checking: no secret passes through here, so it need not take the same time for every input.
Stricter than the RFC where it leaves a choice: encodings must be canonical, and keys of small order
are refused, since they would sign anything.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

# A point (X, Y, Z, T) stands for x = X/Z, y = Y/Z with T = XY/Z: additions need no division.
Point = tuple[int, int, int, int]
Table = list[list[Point]]
NEUTRAL: Point = (0, 1, 1, 0)


def is_signed(*, message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the 64 bytes are a signature of the message by the 32 bytes of this key."""
    if len(signature) != 64 or len(public_key) != 32:
        return False
    factor = int.from_bytes(signature[32:], "little")
    minus_key = _multiples_of_minus(public_key)
    if minus_key is None or factor >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    found = _add(_times(factor, _multiples_of_base()), _times(challenge, minus_key))
    return _encode(found) == signature[:32]


def _add(a: Point, b: Point) -> Point:
    left = (a[1] - a[0]) * (b[1] - b[0]) % P
    right = (a[1] + a[0]) * (b[1] + b[0]) % P
    product = 2 * a[3] * b[3] * D % P
    double = 2 * a[2] * b[2] % P
    e, f, g, h = right - left, double - product, double + product, right + left
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiples(point: Point) -> Table:
    """For each byte of a number its 256 multiples of the point, so that nothing is doubled."""
    rows = []
    for _byte in range(32):
        row = [NEUTRAL]
        for _more in range(255):
            row.append(_add(row[-1], point))
        rows.append(row)
        point = _add(row[-1], point)
    return rows


def _times(number: int, table: Table) -> Point:
    found = NEUTRAL
    for row, digit in zip(table, number.to_bytes(32, "little"), strict=True):
        if digit:
            found = _add(found, row[digit])
    return found


@cache
def _multiples_of_base() -> Table:
    y = 4 * pow(5, -1, P) % P
    x = _x_of(y, is_odd=False)
    assert x is not None
    return _multiples((x, y, 1, x * y % P))


@lru_cache(maxsize=64)
def _multiples_of_minus(public_key: bytes) -> Table | None:
    """Of the negative of a key; None where the bytes are no key or one of small order."""
    number = int.from_bytes(public_key, "little")
    y = number & ((1 << 255) - 1)
    x = _x_of(y, is_odd=bool(number >> 255)) if y < P else None
    if x is None:
        return None
    point: Point = (P - x, y, 1, (P - x) * y % P)
    twice = _add(point, point)
    four_times = _add(twice, twice)
    if _encode(_add(four_times, four_times)) == _encode(NEUTRAL):
        return None
    return _multiples(point)


def _encode(point: Point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _x_of(y: int, *, is_odd: bool) -> int | None:
    """The x of a point of the curve with this y; None where there is none."""
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if v * x * x % P != u or (x == 0 and is_odd):
        return None
    return x if x % 2 == is_odd else P - x
