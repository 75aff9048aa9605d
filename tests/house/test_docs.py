"""What the documents name exists: links, files, commands, targets, decisions, words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import find_commands, get_commands

from tests.house.test_modules import name
from tests.house.test_words import rows

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "verifier" / "README.md"]
README = (ROOT / "README.md").read_text()
PACKAGES = (
    "ballots|bench|deploy|docs|drills|identity|meetings|notifications|retention|tests|verifier"
    "|voting_portal"
)
OURS = {command for path in ROOT.glob("*/management") for command in find_commands(str(path))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())

    missing = {
        link
        for link in links
        if not link.startswith("http") and not (document.parent / link).exists()
    }

    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_file_that_is_named_exists(document):
    named = re.findall(rf"`((?:{PACKAGES})/[\w./-]*)", document.read_text())

    assert not {path for path in named if not (ROOT / path).exists()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_and_target_that_is_named_exists(document):
    text = document.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= get_commands().keys()
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(targets)


def test_the_readme_names_every_command_and_target():
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert not {command for command in OURS if f"`{command}" not in README} - {"migrate"}
    assert not {target for target in targets if f"make {target}" not in README} - {"help"}


def test_every_decision_is_listed_under_its_title():
    decisions = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()

    for path in decisions:
        number, title = re.match(r"# (\d+)\. (.+)\n", path.read_text()).groups()
        assert path.name.startswith(f"{int(number):04d}-")
        assert f"| [{number}]({path.name}) | {title} |" in listed


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_no_line_stands_twice(document):
    long = [line for line in document.read_text().splitlines() if len(line) > 60]

    assert not {line for line in long if long.count(line) > 1}


def test_the_glossary_explains_a_word_once():
    explained = [row[0] for row in rows()]

    assert not {word for word in explained if explained.count(word) > 1}
