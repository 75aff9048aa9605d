"""The capacity that the documents state is what the program says, and it follows its inputs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from bench.capacity import NEEDED, Day, Rates, needs

ROOT = Path(settings.BASE_DIR)
MEASURED = ROOT / "bench" / "measured.json"
CORES = 2


@pytest.fixture
def rates():
    return Rates.read(json.loads(MEASURED.read_text()), cores=CORES)


def number(text: str) -> float:
    return float(text.replace(",", "").removesuffix("%"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.capacity", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_quotes_what_the_program_prints():
    document = (ROOT / "docs" / "capacity.md").read_text()

    done = run("--results", str(MEASURED), "--cores", str(CORES))

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in document


def test_the_document_names_every_figure_that_was_measured():
    document = (ROOT / "docs" / "capacity.md").read_text()

    for row in json.loads(MEASURED.read_text()):
        assert re.search(rf"\| {row['name']} \| {row['ours']:,} \|", document), row["name"]


def test_by_hand(rates):
    day = Day(
        holders=6_000_000,
        issuers=10,
        meetings=1,
        voting=0.5,
        rush=0.1,
        rush_seconds=300,
        looking=2,
        requests=4,
        utilisation=0.5,
        segments=1,
    )
    rates = replace(
        rates,
        look={"web": 10, "database": 1, "proxy": 0.5, "redis": 0.5},
        vote={"web": 80, "database": 8, "proxy": 4, "redis": 2},
        messages=10,
        leaves=1_000,
        wal=50_000,
        stored=800,
    )

    found = needs(day, rates, times=1)

    # 600,000 holders, half vote, a tenth of those in 300 s: 100 votes/s, each 2 x 10 + 80 ms.
    assert found["votes a second"] == "100"
    assert found["requests a second"] == "600"
    assert found["cores for web servers"] == "20"
    assert found["cores for PostgreSQL"] == "2"
    assert found["cores for nginx"] == "1"
    assert found["notices a second, segments"] == "21"
    assert found["cores for worker-sending"] == "5"
    assert found["Redis, of its one core"] == "30%"
    assert found["sequencer, of what it drains"] == "10%"
    assert found["WAL in the rush, MB/s"] == "5"
    # 800 bytes and two messages of 102 a holder; a ballot, a leaf and a code a voter.
    assert found["storage of the day, GB"] == "1"
    assert found["WAL of the day, GB"] == "16"


def test_three_times_the_peak_needs_three_times_as_much(rates):
    once, thrice = (needs(Day(), rates, times=times) for times in (1, 3))

    for name in once:
        assert number(thrice[name]) == pytest.approx(3 * number(once[name]), abs=3)


@pytest.mark.parametrize("missing", NEEDED)
def test_a_row_that_was_not_measured_is_named(tmp_path, missing):
    rows = [row for row in json.loads(MEASURED.read_text()) if row["name"] != missing]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(rows))

    done = run("--results", str(file))

    assert done.returncode == 2
    assert "it needs" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_run_of_the_bench_it_says_what_to_do(tmp_path):
    done = run("--results", str(tmp_path / "none.json"))

    assert done.returncode == 2
    assert "run `make bench` first" in done.stderr
