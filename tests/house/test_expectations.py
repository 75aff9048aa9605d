"""docs/expectations.md says what is so: its tests exist, and its pictures are those of a guide."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from tests.house.test_security_doc import names_in

DOCS = Path(settings.BASE_DIR) / "docs"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (DOCS / "expectations.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]
GUIDES = "".join(path.read_text() for path in DOCS.glob("guide-*.md"))


def test_all_forty_stand_once_in_their_order():
    assert [int(row[0]) for row in ROWS] == list(range(1, 41))
    assert all(len(row) == 4 and all(row) for row in ROWS)


def test_every_row_names_tests_and_pictures_that_there_are():
    shown = [(row[0], place) for row in ROWS for place in row[3].split()]
    pictures = [(number, place) for number, place in shown if place.startswith("images/")]
    tests = [(number, *place.split("::")) for number, place in shown if "::" in place]

    assert len(pictures) + len(tests) == len(shown)
    assert not [row for row in pictures if f"({row[1]})" not in GUIDES]
    assert not [
        (number, file, test)
        for number, file, test in tests
        if not (DOCS.parent / file).exists() or test not in names_in(file)
    ]
