"""Where large holders begin (中小投资者, 现金分红分段): bounds of the capital in whole shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ballot_verifier.agenda import Agenda

SMALL_MARKET_VALUE = 500_000  # yuan


@dataclass(frozen=True)
class Bounds:
    """The least shares with which a holder is no minority holder, has 5 % or 1 % of the ordinary
    capital, or A shares of 500,000 yuan: whole numbers, so that comparing is exact."""

    not_minority: int
    five_percent: int
    one_percent: int
    not_small: int

    @classmethod
    def of(cls, agenda: Agenda) -> Bounds:
        capital = sum(c.capital for c in agenda.classes.values() if c.is_ordinary)
        price, policies = agenda.closing_price, agenda.policies
        is_large_at_bound = policies["seg_bounds"] == "LOWER_INCLUDED"
        return cls(
            _least(Fraction(capital, 20), is_enough=policies["sm_threshold"] != "GT_5_OR_INSIDER"),
            _least(Fraction(capital, 20), is_enough=is_large_at_bound),
            _least(Fraction(capital, 100), is_enough=is_large_at_bound),
            _least(SMALL_MARKET_VALUE / price, is_enough=is_large_at_bound) if price else 0,
        )


def _least(bound: Fraction, *, is_enough: bool) -> int:
    """The least whole number of shares that comes up to the bound or, where that is not enough, is
    above it; one share at least."""
    return max(1, math.ceil(bound) if is_enough else math.floor(bound) + 1)
