"""The votes of a scenario in the portal's words, and as the file of another channel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

VOTE_COLUMNS = (
    "证券账户",
    "股份类别",
    "议案序号",
    "表决意见",
    "票数",
    "同意股数",
    "反对股数",
    "弃权股数",
    "受托股份数",
    "表决时间",
    "受理序号",
)
SPLIT_COLUMNS = {"for": "同意股数", "against": "反对股数", "abstain": "弃权股数"}


def as_vote_file(votes: list[dict[str, Any]], *, first_class: str) -> bytes:
    """A CSV of votes of one channel; a vote that names no class is of the first."""
    file = io.StringIO()
    writer = csv.DictWriter(file, VOTE_COLUMNS)
    writer.writeheader()
    for vote in votes:
        writer.writerows(_rows(vote, first_class))
    return file.getvalue().encode()


def as_choice(choice: Any) -> Any:
    """A choice in our words: FOR, or a split by opinion; candidates' votes as they are."""
    if isinstance(choice, str):
        return choice.upper()
    return {key.upper(): votes for key, votes in choice.items()}


def _parts(number: str, choice: Any) -> Iterator[dict[str, Any]]:
    if isinstance(choice, str):
        yield {"议案序号": number, "表决意见": choice}
    elif any(key in choice for key in ("FOR", "AGAINST", "ABSTAIN")):
        split = {name: choice.get(key.upper(), 0) for key, name in SPLIT_COLUMNS.items()}
        yield {"议案序号": number, **split}
    else:
        yield from ({"议案序号": key, "票数": votes} for key, votes in choice.items())


def _rows(vote: dict[str, Any], first_class: str) -> Iterator[dict[str, Any]]:
    """The lines of a file that say one vote; one without a motion when it says nothing."""
    head = {
        "证券账户": vote["account"],
        "股份类别": vote.get("class", first_class),
        "受托股份数": vote.get("declared", ""),
        "表决时间": vote.get("at", ""),
        "受理序号": vote["seq"],
    }
    parts = [
        part
        for number, choice in vote["votes"].items()
        for part in _parts(number, as_choice(choice))
    ]
    for part in parts or [{}]:
        yield head | part
