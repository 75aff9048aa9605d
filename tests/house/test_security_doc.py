"""docs/security.md says what is so: its tests exist, and its limits are the code's."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from datetime import timedelta
from importlib import import_module
from pathlib import Path

from django.conf import settings

from identity import limits
from identity.limits import Limit

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "security.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without their heads."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    heads = {before for before, after in itertools.pairwise(lines) if "---" in after}
    found = [line for line in lines if line not in heads and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


@functools.cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_that_there_is():
    named = {(row[0], *row[4].split("::")) for row in rows("The checklist")}

    missing = [
        (requirement, file, test)
        for requirement, file, test in named
        if not (ROOT / file).exists() or test not in names_in(file)
    ]

    assert not missing
    assert len(named) >= 72


def test_every_requirement_stands_once_with_its_level():
    checklist = rows("The checklist")

    requirements = [row[0] for row in checklist]
    assert len(set(requirements)) == len(requirements)
    assert all(re.fullmatch(r"V\d+\.\d+\.\d+", requirement) for requirement in requirements)
    assert {row[1] for row in checklist} <= {"1", "2", "3"}


def test_every_deviation_that_a_row_speaks_of_is_said():
    spoken_of = set(re.findall(r"deviation (\d)", PAGE.split("\n## Deviations")[0]))
    said = dict(re.findall(r"^(\d)\. \*\*(V[\d.]+)\.\*\*", PAGE, flags=re.MULTILINE))

    assert spoken_of <= said.keys()
    assert set(said.values()) <= {row[0] for row in rows("The checklist")}


def test_every_limit_is_the_codes():
    table = rows("Limits")
    counted = [row for row in table if len(row) == 6]
    fixed = [row for row in table if len(row) == 3]

    in_code = {limit for limit in vars(limits).values() if isinstance(limit, Limit)}

    assert {tuple(row) for row in counted} == {as_row(limit) for limit in in_code}
    assert len(fixed) >= 13
    assert not [row for row in fixed if value_of(row[2]) != int(row[1])]


def as_row(limit: Limit) -> tuple[str, ...]:
    return (
        limit.name,
        str(limit.count),
        str(limit.seconds),
        "all" if limit.is_shared else "process",
        "goes on" if limit.is_open_without_redis else "refuses",
        str(limit.alarm_at),
    )


def value_of(place: str) -> int:
    """What the code has there; times in seconds."""
    path = place.split(".")
    if path[:3] == ["django", "conf", "settings"]:
        value = getattr(settings, path[3])
    else:
        value = getattr(import_module(".".join(path[:-1])), path[-1])
    return int(value.total_seconds()) if isinstance(value, timedelta) else int(value)


def test_every_alarm_is_one_that_the_code_says():
    said = [row[0].strip("`").split(":")[0] for row in rows("Alarms")]

    code = "".join((ROOT / f"identity/{name}.py").read_text() for name in ("limits", "canaries"))
    assert said == ["alarm NAME", "canary link opened", "redis is down"]
    assert all(f'"{words.removesuffix(" NAME")}' in code for words in said)
