"""Percentages as the exchange prints them: four decimals, from whole numbers only.

In a row of 同意, 反对, 弃权 each is cut off, not rounded, and the last one that is not zero takes
what is left of 100, so that the row adds up. The other policy rounds each half up by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

SSE_TRUNC_RESIDUAL = "SSE_TRUNC_RESIDUAL"
HALF_UP = "HALF_UP"
WHOLE = 1_000_000  # 100.0000 in units of the last decimal


def row(counts: Sequence[int], policy: str) -> list[str]:
    """Percentages of the counts in their sum; all 0.0000 when the sum is 0."""
    total = sum(counts)
    if policy == HALF_UP or not total:
        return [ratio(count, total, policy) for count in counts]
    parts = [count * WHOLE // total for count in counts]
    last = max(place for place, count in enumerate(counts) if count)
    parts[last] = WHOLE - sum(parts[:last])
    return [_printed(part) for part in parts]


def ratio(part: int, base: int, policy: str) -> str:
    """One percentage by itself, e.g. attendance or a candidate's; over 100 when part > base."""
    if not base:
        return _printed(0)
    if policy == HALF_UP:
        return _printed((2 * part * WHOLE + base) // (2 * base))
    return _printed(part * WHOLE // base)


def _printed(part: int) -> str:
    return f"{part // 10_000}.{part % 10_000:04d}"
