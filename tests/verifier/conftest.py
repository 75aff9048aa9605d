"""A meeting whose result was worked out by hand, and bundles of its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ballot_verifier.notes import Key
from ballot_verifier.verifying import Report, verify
from tests.verifier import writer
from tests.verifier.writer import DAY, Book, record, voter

MOTIONS = [
    {"number": "1.00", "title": "关于年度报告的议案"},
    {"number": "2.00", "title": "关于修改公司章程的议案", "threshold": "SPECIAL"},
    {
        "number": "3.00",
        "title": "关于选举独立董事的议案",
        "kind": "CUMULATIVE",
        "seats": 2,
        "candidates": [{"number": f"3.0{n}", "name": name} for n, name in enumerate("甲乙丙", 1)],
    },
]
HOLDERS = [
    (voter("Z"), "I", {"A": 10_000}),
    (voter("Y"), "I", {"A": 5_000}),
    (voter("X"), "O", {"A": 3_000}),
    (voter("R"), "O", {"A": 2_000}),
    (voter("N"), "N", {"A": 100_000}),
    (voter("V"), "V", {"A": 500}),
    (voter("W"), "I", {"A": 1_000}),
    (voter("T"), "I", {"A": 4_000}),
]


def figures(*counts: int, pct: tuple[str, str, str]) -> dict[str, Any]:
    names = ("for", "against", "abstain")
    return {
        **dict(zip(names, counts, strict=True)),
        **{f"{name}_pct": text for name, text in zip(names, pct, strict=True)},
    }


FIRST = figures(56_000, 20_000, 8_000, pct=("66.6666", "23.8095", "9.5239"))
SECOND = figures(75_000, 3_000, 4_000, pct=("91.4634", "3.6585", "4.8781"))
PRESENT = {"holders": 6, "votes": 84_000, "ratio": "8.4000"}
TOTALS = {
    "format": "ballot-log/v1 totals",
    "attendance": {**PRESENT, "classes": {"A": PRESENT}},
    "motions": {
        "1.00": {"classes": {"A": FIRST}, "total": FIRST, "excluded": [], "outcome": "passed"},
        "2.00": {
            "classes": {"A": SECOND},
            "total": SECOND,
            "excluded": [{"voter": voter("R"), "reason": "RECUSED", "votes": 2_000}],
            "outcome": "passed",
        },
        "3.00": {
            "candidates": {
                number: {"votes": votes, "ratio": ratio, "elected": False, "tie": False}
                for number, votes, ratio in (
                    ("3.01", 20_000, "23.8095"),
                    ("3.02", 3_000, "3.5714"),
                    ("3.03", 3_000, "3.5714"),
                )
            },
            "present": 84_000,
            "seats": 2,
            "elected": 0,
            "shortfall": 2,
            "excluded": [],
        },
    },
}


def other_vote(
    name: str,
    votes: dict[str, Any],
    *,
    shares: int,
    at: str,
    seq: int,
    channel: str = "TRADING",
    effect: str = "COUNTS",
    reasons: str = "-",
) -> str:
    return record(
        "other",
        ("file", "ab" * 32),
        ("channel", channel),
        ("row", seq + 1),
        ("voter", voter(name) if name else "-"),
        ("class", "A"),
        ("shares", shares),
        ("declared", "-"),
        ("votes", writer.votes_text(votes)),
        ("at", f"{DAY}T{at}.000000Z"),
        ("seq", seq),
        ("effect", effect),
        ("reasons", reasons),
        ("invalid", "-"),
    )


@pytest.fixture
def book() -> Book:
    book = Book(agenda=writer.agenda(MOTIONS), holders=list(HOLDERS))
    split = {"FOR": 40_000, "AGAINST": 15_000, "ABSTAIN": 5_000}
    book.cast("Z", {"1.00": "FOR", "2.00": "FOR", "3.00": {"3.01": 20_000}}, shares=10_000)
    book.cast("Y", {"1.00": "AGAINST", "2.00": "FOR"}, shares=5_000)
    spread = {"3.02": 3_000, "3.03": 3_000}
    book.cast("X", {"1.00": "ABSTAIN", "2.00": "AGAINST", "3.00": spread}, shares=3_000)
    book.cast("R", {"1.00": "FOR", "2.00": "FOR"}, shares=2_000)
    book.cast("N", {"1.00": split, "2.00": {"FOR": 60_000}}, shares=60_000)
    book.others = [
        other_vote("T", {"1.00": "FOR"}, shares=4_000, at="01:40:00", seq=1),
        other_vote("Z", {"1.00": "AGAINST"}, shares=10_000, at="02:00:00", seq=2),
        other_vote(
            "",
            {"1.00": "AGAINST"},
            shares=0,
            at="04:00:00",
            seq=3,
            effect="NOTHING",
            reasons="NOT_ON_REGISTER OUTSIDE_WINDOW",
        ),
    ]
    book.lists["recusals"] = {"2.00": [voter("R")]}
    book.totals = TOTALS
    return book


Check = Callable[..., Report]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Verify a book, or the files made of it, with the log's key given by hand."""

    def check(given: Book | dict[str, bytes], *, kind: str = "auditor", **options: Any) -> Report:
        files = writer.files_of(given, kind=kind) if isinstance(given, Book) else given
        path = writer.pack(files, tmp_path / "bundle.zip", kind=kind)
        options.setdefault("keys", [Key.parse(writer.LOG.vkey)])
        return verify(path, processes=1, **options)

    return check


def failed(report: Report) -> dict[int, list[tuple[str, int | None]]]:
    """By the number of a failed step, what is wrong and where."""
    return {
        step.number: [(failure.reason, failure.index) for failure in step.failures]
        for step in report.steps
        if step.status == "failed"
    }
