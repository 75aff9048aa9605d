"""What is installed: every dependency has a reason, every file a hash, and no index is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
LOCKS = ("requirements.txt", "requirements-dev.txt")
SOURCES = ("requirements.in", "requirements-dev.in")


def packages(lock: str) -> dict[str, str]:
    """Name -> its whole entry, continuation lines included."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text())
    return {
        re.split(r"[=\[ ;]", entry)[0].lower(): entry
        for entry in entries
        if re.match(r"[A-Za-z0-9][\w.-]*(\[.*?\])?==", entry)
    }


def wanted(source: str) -> set[str]:
    lines = (ROOT / source).read_text().splitlines()
    return {
        re.split(r"[\[~=><; ]", line)[0].lower()
        for line in lines
        if line.strip() and not line.startswith(("#", "-r"))
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_a_hash(lock):
    found = packages(lock)

    assert len(found) > 20
    assert not {name for name, entry in found.items() if "--hash=sha256:" not in entry}


@pytest.mark.parametrize("file", [*LOCKS, *SOURCES])
def test_no_package_host_is_named(file):
    text = (ROOT / file).read_text()

    assert not re.findall(
        r"https?://|file:|--(?:extra-)?index-url|--find-links|--trusted-host", text
    )


@pytest.mark.parametrize("source", SOURCES)
def test_every_dependency_has_a_reason(source):
    lines = [line for line in (ROOT / source).read_text().splitlines() if line.strip()]

    without = [
        line
        for line in lines
        if not line.startswith(("#", "-r")) and not re.search(r"\s# \w", line)
    ]

    assert not without


def test_the_locks_hold_what_is_asked_for():
    assert wanted("requirements.in") <= packages("requirements.txt").keys()
    assert wanted("requirements-dev.in") <= packages("requirements-dev.txt").keys()


def test_development_runs_on_the_same_versions_as_production():
    production, development = packages("requirements.txt"), packages("requirements-dev.txt")

    def pins(lock: dict[str, str]) -> dict[str, str]:
        return {name: entry.split()[0] for name, entry in lock.items()}

    assert pins(production).items() <= pins(development).items()
