"""How every file of ours begins, how long it may be, and what it may know."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("ballots", "identity", "meetings", "notifications", "retention", "voting_portal")
OURS = sorted(
    path
    for folder in (*APPS, "tests", "bench", "deploy", "drills")
    for path in (ROOT / folder).rglob("*.py")
    if path.read_text().strip()  # an empty __init__.py is only a folder's mark
)
CODE = [path for path in OURS if path.relative_to(ROOT).parts[0] in APPS]

# Files that need more than 300 lines, and why.
LONG = {
    "voting_portal/embedded.py": "two servers, and every way in which they may be left behind",
    "voting_portal/settings.py": "all settings in one file, as one looks for them",
    "meetings/register/synthetic.py": "one made-up world: people, brokers' accounts, edge cases",
    "ballots/effective.py": "one statement a rule of which votes count, read in their order",
    "identity/views.py": "every page from a link to a session, in the order of the way",
    "notifications/campaigns.py": "the whole life of a campaign, a verb a step",
    "ballots/scenario.py": "one meeting from its file to the comparison, in the order of its life",
}
MOST_LINES = 300

# Who speaks HTTP. Everything else is about the domain and is called by these.
EDGES = re.compile(
    r"^(?:voting_portal/(?:health|urls|admin|hosts|metrics|gate|replica|tracing)\.py"
    r"|voting_portal/common/(?:http|security_notes)\.py"
    r"|voting_portal/gateways/simulator/.*"
    r"|(?:\w+)/(?:.*/)?(?:views|staff_views|urls|admin|forms|console|landing|public|preferences)\.py"
    r"|(?:\w+)/admin/.*"
    # who is asking is read from the request
    r"|identity/(?:voters|staff|limits|attempts|second_factor|staff_sessions|canaries|waiting)"
    r"\.py"
    r"|ballots/draft\.py)$"  # a ballot under way lives in the browser
)
# No module says only that it helps; it is named after an act or a thing.
NAMES_OF_NOTHING = {"utils", "helpers", "services", "managers", "constants", "types", "misc"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_file_begins_with_a_sentence_and_the_future(path):
    tree = ast.parse(path.read_text())
    is_app_config = path.name == "apps.py"
    is_generated = path.name == "0001_initial.py"

    sentence = ast.get_docstring(tree) or ""

    assert is_app_config or is_generated or re.search(r"[.?:…]\s*(\n|$)", sentence)
    is_only_a_sentence = len(tree.body) == 1
    assert is_generated or is_only_a_sentence or "__future__.annotations" in imports(path)


def test_no_file_is_long_without_a_reason():
    short_enough = (name(p) for p in CODE if p.read_text().count("\n") <= MOST_LINES)
    migrations = (name(p) for p in CODE if p.parent.name == "migrations")

    assert {name(p) for p in CODE} - {*short_enough, *migrations} == set(LONG)


def test_modules_are_named_after_an_act_or_a_thing():
    assert not [name(path) for path in OURS if path.stem in NAMES_OF_NOTHING]


@pytest.mark.parametrize("path", [p for p in CODE if not EDGES.match(name(p))], ids=name)
def test_what_is_about_the_domain_knows_no_http(path):
    assert not {module for module in imports(path) if module.startswith("django.http")}


def test_no_code_of_ours_sends_or_receives_signals():
    users = [name(p) for p in CODE if any("signals" in module for module in imports(p))]

    assert not users


def test_nothing_of_the_machine_that_wrote_it_stands_in_the_repository():
    places = re.compile(r"/root/|/home/\w+/|/opt/|/work/")
    files = [*OURS, ROOT / "Makefile", *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.*")]
    for pattern in ("*.md", "*.toml", "*.txt", "*.in", "*.yml", ".ci/*", ".env.example"):
        files += ROOT.glob(pattern)
    texts = {name(path): path.read_text() for path in files}

    del texts[name(Path(__file__))]

    assert not {path for path, text in texts.items() if places.search(text)}
