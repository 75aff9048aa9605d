"""The verifier shares nothing with the server that it checks."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from tests.house.test_modules import APPS, imports, name

FOLDER = Path(settings.BASE_DIR) / "verifier"
FILES = sorted((FOLDER / "ballot_verifier").glob("*.py"))
MOST_LINES = 300


@pytest.mark.parametrize("path", FILES, ids=name)
def test_it_imports_the_standard_library_and_itself_alone(path):
    roots = {module.split(".")[0] for module in imports(path)}

    assert roots <= sys.stdlib_module_names | {"ballot_verifier"}


def test_it_is_installed_without_anything_else():
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]

    assert project["dependencies"] == []


@pytest.mark.parametrize("app", APPS)
def test_the_server_does_not_use_it(app):
    users = [
        path
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if any(module.split(".")[0] == "ballot_verifier" for module in imports(path))
    ]

    assert users == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_its_files_begin_with_a_sentence_and_are_short(path):
    text = path.read_text()

    assert (ast.get_docstring(ast.parse(text)) or "").split("\n")[0].endswith((".", ":"))
    assert text.count("\n") <= MOST_LINES
