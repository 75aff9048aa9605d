"""A voter's page while 2,000 guessed links a second come from one address, beside quiet."""

from __future__ import annotations

import http.client
import itertools
import re
import secrets
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import Row, Scale
from bench.meetings import make_meeting
from bench.open_page import gunicorn
from identity.links import ALPHABET, personal_url
from tests.house.test_nginx import NGINX, configuration, free_port, write_certificate
from voting_portal.common import ids

GUESSES_A_SECOND = 2_000
PAGES_A_SECOND = 50
CONNECTIONS = 64  # each waits for its answer: where answers are delayed the rate falls
ROUNDS = 3
VOTER = "127.0.0.2"  # wrk comes from 127.0.0.1

# wrk has no rate of its own: each of its connections waits before it asks again.
LUA = f"""
local paths = {{}}
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
local at = 0
function delay() return {1_000 * CONNECTIONS // GUESSES_A_SECOND} end
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
"""
Connect = Callable[[], http.client.HTTPConnection]


def measure(scale: Scale) -> Iterator[Row]:
    """As deployed behind nginx, and gunicorn alone, where nothing stops a flood but the portal."""
    if shutil.which("wrk") is None or NGINX is None:
        print("flood: left out, needs wrk and nginx")
        return
    meeting = make_meeting(1_000)
    paths = [_path(ids.holder_id(meeting.pk, index)) for index in range(1, 1_001)]
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    source = {"timeout": 20, "source_address": (VOTER, 0)}
    with gunicorn() as port, _nginx(port) as tls_port:

        def through_nginx() -> http.client.HTTPConnection:
            return http.client.HTTPSConnection("127.0.0.1", tls_port, context=trusting, **source)

        def alone() -> http.client.HTTPConnection:
            return http.client.HTTPConnection("127.0.0.1", port, **source)

        yield _row("flood", through_nginx, f"https://127.0.0.1:{tls_port}", paths, scale.seconds)
        yield _row("flood bare", alone, f"http://127.0.0.1:{port}", paths, scale.seconds)


def _row(name: str, connect: Connect, url: str, paths: list[str], seconds: float) -> Row:
    """Quiet and flooded rounds by turns, so that both meet the same machine."""
    quiet: list[float] = []
    flooded: list[float] = []
    rates = []
    _ask(connect, paths, 1)
    for _round in range(ROUNDS):
        quiet += _ask(connect, paths, seconds)
        with _flood(url, paths, seconds + 1.5) as rate:
            time.sleep(1)
            flooded += _ask(connect, paths, seconds)
        rates.append(rate[0])
    note = (
        f"p99 with {statistics.mean(rates):,.0f} bad links/s, median {_median(flooded):.1f} ms; "
        f"floor: p99 without, median {_median(quiet):.1f} ms"
    )
    return Row(name, _p99(flooded), _p99(quiet), "ms", is_rate=False, note=note)


def _path(holder_id: int) -> str:
    return "/v/" + personal_url(holder_id, 0).rpartition("/")[2]


def _ask(connect: Connect, paths: list[str], seconds: float) -> list[float]:
    """Milliseconds from when each page was due until it was there, at a steady pace."""
    client = connect()
    times = []
    started = time.perf_counter()
    pages = round(seconds * PAGES_A_SECOND)
    for number, path in zip(range(pages), itertools.cycle(paths), strict=False):
        due = started + number / PAGES_A_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        client.request("GET", path, headers={"Host": "127.0.0.1"})
        answer = client.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")
        times.append((time.perf_counter() - due) * 1_000)
    client.close()
    return times


@contextmanager
def _flood(url: str, paths: list[str], seconds: float) -> Iterator[list[float]]:
    """Guess links; the rate that was reached stands in the list afterwards."""
    rate: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        guesses, script = Path(directory) / "guesses", Path(directory) / "flood.lua"
        guesses.write_text("".join(f"{_guess(path)}\n" for path in paths))
        script.write_text(LUA)
        wrk = subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "-s", str(script), url],
            env={"PATHS": str(guesses)},
            executable=shutil.which("wrk"),
            stdout=subprocess.PIPE,
            text=True,
        )
        yield rate
        report, _ = wrk.communicate(timeout=60)
    found = re.search(r"Requests/sec:\s+([\d.]+)", report)
    rate.append(float(found[1]) if found else 0.0)


def _guess(path: str) -> str:
    """The right key id and meeting, so that it fails at the MAC only."""
    return path[:8] + "".join(secrets.choice(ALPHABET[:30]) for _ in range(20))


@contextmanager
def _nginx(upstream: int) -> Iterator[int]:
    """deploy/nginx.conf in front of gunicorn."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_certificate(directory)
        port = free_port()
        file = directory / "nginx.conf"
        file.write_text(configuration(directory, upstream=upstream, https=port, http=free_port()))
        command = [str(NGINX), "-e", "stderr", "-p", name, "-c", str(file), "-g", "daemon off;"]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            yield port
        finally:
            server.terminate()
            server.wait(10)


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _median(times: list[float]) -> float:
    return statistics.median(times)
