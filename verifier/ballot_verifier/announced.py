"""Step 8: the announced result is logged, and is what the votes come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ballot_verifier import results
from ballot_verifier.counting import Counts
from ballot_verifier.work import TOTALS, Work


def check_totals(work: Work, counts: Counts) -> None:
    """Step 8: what was counted here is what was announced, and both hashes are logged."""
    if work.tally is None or work.totals is None:
        return
    check_documents(work)
    counted = results.result_of(work.agenda, counts)
    compared = 0
    for part in ("attendance", "motions"):
        for place, found, announced in _differences(counted[part], work.totals.get(part), part):
            compared += 1
            if found != announced:
                values = {"found": found, "expected": announced}
                work.fail(TOTALS, "total_differs", place=place, **values)
    work.looked_at(TOTALS, compared)


def check_documents(work: Work) -> None:
    """Lists and totals are those that the newest tally record commits to."""
    if work.tally is None:
        if work.totals is not None:
            work.fail(TOTALS, "not_logged", place="totals.json")
        return
    for name, logged in (("lists.json", work.tally.lists), ("totals.json", work.tally.totals)):
        if name not in work.bundle:
            if work.is_whole:
                work.fail(TOTALS, "missing", place=name)
            continue
        work.looked_at(TOTALS)
        if work.bundle.digests[name][1] != logged:
            work.fail(TOTALS, "another_document", place=name)


def _differences(counted: Any, announced: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Every figure with its place, as it was counted and as it was announced."""
    if isinstance(counted, dict) and isinstance(announced, dict):
        for name in [*counted, *(name for name in announced if name not in counted)]:
            missing = "-"
            yield from _differences(
                counted.get(name, missing), announced.get(name, missing), f"{place}/{name}"
            )
    elif place.endswith("/excluded") and isinstance(announced, list):
        yield place, _sorted(counted), _sorted(announced)
    else:
        yield place, counted, announced


def _sorted(excluded: list[Any]) -> list[str]:
    return sorted(
        str(sorted(one.items())) if isinstance(one, dict) else str(one) for one in excluded
    )
