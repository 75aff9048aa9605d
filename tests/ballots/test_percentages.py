"""Percentages: rows that were published must come out to the last decimal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballots import percentages
from ballots.percentages import HALF_UP, SSE_TRUNC_RESIDUAL


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        ((1_138_229_747, 440_600, 255_200), ["99.9389", "0.0386", "0.0225"]),
        ((235_827_664, 1_251_310, 320_623), ["99.3378", "0.5270", "0.1352"]),
        ((353_175_177, 1_657_329, 74_108), ["99.5121", "0.4669", "0.0210"]),
        ((56_131_245, 20_000, 80_700), ["99.8209", "0.0355", "0.1436"]),
        ((167_628_882, 1_360_926, 0), ["99.1946", "0.8054", "0.0000"]),
        ((10_000, 0, 0), ["100.0000", "0.0000", "0.0000"]),
        ((0, 0, 20_000), ["0.0000", "0.0000", "100.0000"]),
        ((0, 0, 0), ["0.0000", "0.0000", "0.0000"]),
    ],
)
def test_a_row_is_printed_as_the_exchange_does(counts, printed):
    assert percentages.row(counts, SSE_TRUNC_RESIDUAL) == printed


def test_the_other_policy_rounds_each_figure_by_itself():
    counts = (1_138_229_747, 440_600, 255_200)

    assert percentages.row(counts, HALF_UP) == ["99.9389", "0.0387", "0.0224"]


def test_a_ratio_may_pass_a_hundred():
    assert percentages.ratio(1_200_000, 1_000_000, SSE_TRUNC_RESIDUAL) == "120.0000"


@given(st.lists(st.integers(0, 10**15), min_size=3, max_size=3).filter(any))
def test_a_printed_row_adds_up_to_a_hundred(counts):
    printed = percentages.row(counts, SSE_TRUNC_RESIDUAL)

    assert sum(int(part.replace(".", "")) for part in printed) == 1_000_000
