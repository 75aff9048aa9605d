"""The glossary is the law: words that it rules out occur in no identifier of ours."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from tests.house.test_modules import CODE, name

GLOSSARY = Path(settings.BASE_DIR) / "docs" / "glossary.md"
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def rows() -> list[list[str]]:
    """The table's rows as four cells each, without its head."""
    lines = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def ruled_out() -> set[str]:
    return {word.strip() for row in rows() for word in row[3].split(",") if word.strip()}


def words(identifier: str) -> set[str]:
    return {word.lower() for word in WORD.findall(identifier)}


def identifiers(path: Path) -> set[str]:
    """What a file names: itself, its functions, classes, arguments, variables and attributes."""
    named = {path.stem}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            named.add(node.name)
        elif isinstance(node, ast.arg):
            named.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            named.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            named.add(node.attr)
    return named


def test_the_glossary_is_a_table_of_four_columns_and_knows_its_own_words():
    table = rows()

    assert len(table) > 40
    assert {len(row) for row in table} == {4}
    assert len(ruled_out()) > 20
    in_use = {word for row in table for word in words(row[0])}
    assert not in_use & ruled_out()


@pytest.mark.parametrize("path", CODE, ids=name)
def test_no_identifier_uses_a_word_that_the_glossary_rules_out(path):
    found = {
        identifier: sorted(words(identifier) & ruled_out())
        for identifier in identifiers(path)
        if words(identifier) & ruled_out()
    }

    assert not found


def test_models_are_in_the_glossary():
    explained = {word.lower() for row in rows() for word in WORD.findall(row[0])}
    whole = {re.sub(r"\W", "", part).lower() for row in rows() for part in row[0].split(",")}
    ours = {"ballots", "identity", "meetings", "notifications", "retention"}

    missing = [
        model.__name__
        for model in apps.get_models()
        if model._meta.app_label in ours and model.__name__.lower() not in whole | explained
    ]

    assert not missing
