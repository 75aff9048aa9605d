"""Counts of several web processes are summed, and outlive the process that made them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.conftest import TOKEN

COUNT = """
from voting_portal.common import counters
for view, seconds in (("a", 0.01), ("a", 0.3), ("b", 7)):
    counters.REQUESTS.labels(view, 200).inc()
    counters.SECONDS.labels(view).observe(seconds)
"""
KEEP = """
import sys
from pathlib import Path
from voting_portal.common.worker_counts import keep_counts
for pid in sys.argv[2:]:
    keep_counts(int(pid), directory=Path(sys.argv[1]))
"""
SUM = """
import sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
sys.stdout.buffer.write(generate_latest(registry))
"""


def run(program, directory, *arguments):
    """The process's id and what it wrote."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return process.pid, said


def test_counts_of_ended_workers_stay_in_one_file(tmp_path):
    pids = [run(COUNT, tmp_path)[0] for _worker in range(3)]
    before = run(SUM, tmp_path)[1]

    run(KEEP, tmp_path, str(tmp_path), *map(str, pids), "99999999")

    assert 'portal_requests_total{status="200",view="a"} 6.0' in before
    assert sorted(run(SUM, tmp_path)[1].splitlines()) == sorted(before.splitlines())
    kept = {path.name for path in tmp_path.glob("*.db")}
    assert kept == {"counter_0.db", "histogram_0.db"} | {
        path.name for path in tmp_path.glob("gauge*")
    }


@pytest.fixture
def portal(tmp_path):
    """Two workers of gunicorn on a port of their own: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "METRICS_TOKEN": TOKEN,
        "WEB_CONCURRENCY": "2",
        "WEB_BIND": f"127.0.0.1:{port}",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "gunicorn", "--config=deploy/gunicorn.conf.py"]
    with subprocess.Popen(
        [*command, "voting_portal.wsgi:application"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: ask(f"{url}/live"))
        yield url, server
        server.terminate()
        server.wait(60)


@pytest.mark.servers
def test_gunicorn_loses_no_count_when_workers_end(portal, tmp_path):
    url, server = portal
    for _time in range(20):
        ask(f"{url}/live")
    before = live_requests(url)

    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for worker in children:
        os.kill(int(worker), signal.SIGTERM)
    wait_for(lambda: (tmp_path / "counter_0.db").exists() and ask(f"{url}/live"))

    assert before >= 20
    assert live_requests(url) > before


def wait_for(is_so) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about in 60 seconds")


def ask(url: str) -> str:
    """The answer; empty when nobody answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def live_requests(url: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(ask(f"{url}/metrics"))
        for sample in family.samples
        if sample.name == "portal_requests_total" and sample.labels["view"] == "live"
    )
