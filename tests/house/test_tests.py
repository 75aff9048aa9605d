"""Tests are the same tests whenever they are collected."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

TESTS = sorted((Path(settings.BASE_DIR) / "tests").rglob("test_*.py"))
CLOCK = {"now", "time", "time_ns", "today", "localdate", "localtime", "utcnow"}
CALENDARS = {"datetime", "date", "timezone", "time"}


def asks_the_clock(node: ast.AST) -> bool:
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in CLOCK
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in CALENDARS
        for call in ast.walk(node)
    )


def cases_from_the_clock(tree: ast.Module) -> Iterator[int]:
    """Lines of cases that are named by what they hold, and hold what the clock said."""
    moments = {
        target.id
        for statement in tree.body
        if isinstance(statement, ast.Assign) and asks_the_clock(statement.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", []):
            is_named_so = any(
                isinstance(part, ast.keyword)
                and part.arg == "ids"
                and not isinstance(part.value, ast.List)
                for part in ast.walk(decorator)
            )
            names = {name.id for name in ast.walk(decorator) if isinstance(name, ast.Name)}
            if is_named_so and (names & moments or asks_the_clock(decorator)):
                yield decorator.lineno


def test_no_test_is_named_by_the_moment_of_its_collection():
    """Processes that test side by side collect in different seconds, and must find the same."""
    found = {
        f"{path.relative_to(settings.BASE_DIR)}:{line}"
        for path in TESTS
        for line in cases_from_the_clock(ast.parse(path.read_text()))
    }

    assert found == set()


def test_a_case_of_this_second_is_seen():
    tree = ast.parse(
        "NOW = int(time.time())\n"
        "@pytest.mark.parametrize('at', [NOW - 1], ids=str)\n"
        "def test_one(at): ...\n"
        "@pytest.mark.parametrize('at', [timezone.now()], ids=str)\n"
        "def test_two(at): now = timezone.now()\n"
    )

    assert list(cases_from_the_clock(tree)) == [2, 4]
