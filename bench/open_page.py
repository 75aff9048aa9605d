"""Opening a personal link under gunicorn, beside an empty Django view under the same gunicorn."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from bench import Row, Scale
from bench.meetings import MOTIONS, make_meeting
from identity.links import personal_url
from voting_portal.common import ids

CONNECTIONS = 16
CHECKOUT = Path(__file__).resolve().parent.parent


def measure(scale: Scale) -> Iterator[Row]:
    """The whole landing page of a meeting with twenty motions, for one holder after another."""
    meeting = make_meeting(1_000)
    link = personal_url(ids.holder_id(meeting.pk, 1), 0)
    path = f"/v/{link.rpartition('/')[2]}"
    with gunicorn() as port:
        for warm in (path, "/empty"):
            _load(port, warm, 1)
        floor, floor_p99 = _load(port, "/empty", scale.seconds)
        ours, p99 = _load(port, path, scale.seconds)
    note = f"{MOTIONS} motions, p99 {p99:.0f} ms (empty view {floor_p99:.0f} ms)"
    yield Row("open page", ours, floor, "pages/s", is_rate=True, note=note)


@contextmanager
def gunicorn(**environment: str) -> Iterator[int]:
    """As deploy/gunicorn.conf.py runs it, on the scratch database and a free port."""
    database = connection.settings_dict
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host = f"?host={database['HOST']}" if database["HOST"] else ""
    url = f"postgresql://{database['USER']}@/{database['NAME']}{host}"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"),
            *("--bind", f"127.0.0.1:{port}", "bench.served:application"),
        ],
        cwd=CHECKOUT,
        env=os.environ | {"DATABASE_URL": url, "ACCESS_LOG": "off"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def wait_for(port: int) -> None:
    """Until a worker answers: the port is open long before. RuntimeError after a minute."""
    for _try in range(600):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            client.request("GET", "/live")
            client.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            client.close()
    raise RuntimeError("gunicorn did not come up")


def _load(port: int, path: str, seconds: float) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds."""
    if shutil.which("wrk") is None:
        return _load_by_threads(port, path, seconds)
    arguments = ["-t2", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"]
    url = f"http://127.0.0.1:{port}{path}"
    return ask_by_wrk(*arguments, url)


def ask_by_wrk(*arguments: str) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds, as wrk says with --latency."""
    report = subprocess.run(["wrk", *arguments], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in report:
        raise RuntimeError(f"not every answer was a page:\n{report}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", report)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", report)
    assert rate is not None
    assert slow is not None
    return float(rate[1]), float(slow[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slow[2]]


def _load_by_threads(port: int, path: str, seconds: float) -> tuple[float, float]:
    times: list[float] = []
    end = time.perf_counter() + seconds

    def ask() -> None:
        client = http.client.HTTPConnection("127.0.0.1", port)
        while (started := time.perf_counter()) < end:
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"HTTP {answer.status}")
            times.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / seconds, statistics.quantiles(times, n=100)[98] * 1000
