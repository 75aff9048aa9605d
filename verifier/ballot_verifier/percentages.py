"""Percentages with four decimals, worked out in whole numbers only."""

from __future__ import annotations

from collections.abc import Sequence

HUNDRED = 1_000_000  # 100.0000 in units of the last decimal


def of_base(part: int, base: int, *, policy: str) -> str:
    """One percentage by itself: rounded half up under HALF_UP, else cut off; 0.0000 of nothing."""
    if base == 0:
        return _text(0)
    if policy == "HALF_UP":
        return _text((part * HUNDRED * 2 + base) // (base * 2))
    return _text(part * HUNDRED // base)


def of_row(counts: Sequence[int], *, policy: str) -> list[str]:
    """Percentages of 同意, 反对, 弃权 in their sum.

    Under the exchange's policy each is cut off and the last that is not zero takes the rest of
    100.0000; under HALF_UP each is rounded by itself.
    """
    total = sum(counts)
    if policy == "HALF_UP" or total == 0:
        return [of_base(count, total, policy=policy) for count in counts]
    units = [count * HUNDRED // total for count in counts]
    last = len(counts) - 1
    while counts[last] == 0:
        last -= 1
    units[last] += HUNDRED - sum(units)
    return [_text(unit) for unit in units]


def _text(units: int) -> str:
    whole, rest = divmod(units, 10_000)
    return f"{whole}.{rest:04d}"
