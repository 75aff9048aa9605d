"""A voter's page while 2,000 guessed links a second come from one address, beside quiet.

Between the two, the same guesser asks a bare nginx that knows nothing of the portal: what the
voter's page takes then is the guesser's own weight on the machine that all of them share.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import secrets
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import Row, Scale
from bench.meetings import make_meeting
from bench.open_page import gunicorn
from bench.proxy import bare_nginx, nginx
from identity.links import ALPHABET, personal_url
from tests.house.test_nginx import NGINX
from voting_portal.common import ids

PAGES_A_SECOND = 50
ROUNDS = 6
VOTER = "127.0.0.2"  # wrk comes from 127.0.0.1


@dataclass(frozen=True)
class Guesser:
    """How wrk, which has no rate of its own, guesses 2,000 links a second.

    Each connection waits for its answer, then so many milliseconds, more or less. nginx lets 400
    wait for their turn and refuses the others at once, so there must be many more than 400.
    """

    connections: int
    pause: int


BEHIND_NGINX, BARE = Guesser(960, 275), Guesser(64, 29)
LUA = """
local paths = {}
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
local at = 0
local pause = tonumber(os.getenv("PAUSE"))
function delay() return math.random(0, 2 * pause) end -- not all at once
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
    with gunicorn() as port, nginx(port) as (tls_port, place), bare_nginx() as elsewhere:
        portal = f"--bind\x00127.0.0.1:{port}\x00"

        def through_nginx() -> http.client.HTTPConnection:
            return http.client.HTTPSConnection("127.0.0.1", tls_port, context=trusting, **source)

        def alone() -> http.client.HTTPConnection:
            return http.client.HTTPConnection("127.0.0.1", port, **source)

        url, servers = f"https://127.0.0.1:{tls_port}", (portal, place)
        way = _Way(through_nginx, url, f"https://127.0.0.1:{elsewhere[1]}", BEHIND_NGINX, servers)
        yield _row("flood", _measure(way, paths, scale.seconds))
        url = f"http://127.0.0.1:{port}"
        way = _Way(alone, url, f"http://127.0.0.1:{elsewhere[0]}", BARE, (portal,))
        yield _row("flood bare", _measure(way, paths, scale.seconds))


@dataclass(frozen=True)
class _Way:
    """How a voter and the guesser get in, and what the servers' command lines have in them.

    `elsewhere` leads the guesser, in the same way, to a server that is not the portal's.
    """

    connect: Connect
    url: str
    elsewhere: str
    guesser: Guesser
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Flooded:
    """Milliseconds of a voter's pages without the flood, with it elsewhere, and with it; of each
    round its rate, and the processor time that it took of the servers, as a share of one core."""

    quiet: list[float]
    elsewhere: list[float]
    flooded: list[float]
    rates: list[float]
    shares: list[float]


def _measure(way: _Way, paths: list[str], seconds: float) -> Flooded:
    """Quiet and flooded rounds by turns, so that all meet the same machine."""
    found = Flooded([], [], [], [], [])
    _ask(way.connect, paths, 1)
    for _round in range(ROUNDS):
        began = _processor_seconds(way.servers)
        found.quiet.extend(_ask(way.connect, paths, seconds))
        used = _processor_seconds(way.servers) - began
        with _flood(way.elsewhere, way.guesser, paths, seconds + 3.5):
            time.sleep(3)
            found.elsewhere.extend(_ask(way.connect, paths, seconds))
        with _flood(way.url, way.guesser, paths, seconds + 3.5) as rate:
            time.sleep(3)  # until its connections stand and are in their turns
            began = _processor_seconds(way.servers)
            found.flooded.extend(_ask(way.connect, paths, seconds))
            more = _processor_seconds(way.servers) - began - used
        found.rates.append(rate[0])
        found.shares.append(more / seconds)
    return found


def _processor_seconds(marks: tuple[str, ...]) -> float:
    """What the servers with one of these marks in their command lines, and their workers, used.

    Workers that have ended by then count with the server that they belonged to.
    """
    used: dict[str, tuple[str, int]] = {}
    servers = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            used[directory.name] = fields[1], sum(map(int, fields[11:15]))
            if any(mark in (directory / "cmdline").read_text() for mark in marks):
                servers.add(directory.name)
    ticks = sum(t for pid, (parent, t) in used.items() if pid in servers or parent in servers)
    return ticks / os.sysconf("SC_CLK_TCK")


def _row(name: str, found: Flooded) -> Row:
    """The p99 of all rounds' pages under the flood; of the quiet ones as the floor.

    Of all rounds together: the slowest of a hundred in a few seconds' pages are two or three.
    """
    ours, floor, elsewhere = map(_p99, (found.flooded, found.quiet, found.elsewhere))
    medians = [statistics.median(times) for times in (found.flooded, found.quiet)]
    note = (
        f"p99 with {statistics.mean(found.rates):,.0f} bad links/s, which take "
        f"{statistics.mean(found.shares):.0%} of a core, median {medians[0]:.1f} ms; "
        f"floor: p99 without, median {medians[1]:.1f} ms; p99 with the flood elsewhere "
        f"{elsewhere:.1f} ms; {len(found.quiet):,} pages of each"
    )
    return Row(name, ours, floor, "ms", is_rate=False, note=note)


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


@contextlib.contextmanager
def _flood(url: str, guesser: Guesser, paths: list[str], seconds: float) -> Iterator[list[float]]:
    """Guess links; the rate that was reached stands in the list afterwards.

    The guesser's own work is no load of the portal's: it has the processors when nobody else wants
    them.
    """
    behind = ["chrt", "--idle", "0"] if shutil.which("chrt") else ["nice", "-n", "19"]
    rate: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        guesses, script = Path(directory) / "guesses", Path(directory) / "flood.lua"
        guesses.write_text("".join(f"{_guess(path)}\n" for path in paths))
        script.write_text(LUA)
        wrk = subprocess.Popen(
            [
                *(*behind, str(shutil.which("wrk")), "-t1", f"-c{guesser.connections}"),
                *(f"-d{round(seconds)}s", "-s", str(script), url),
            ],
            env={"PATHS": str(guesses), "PAUSE": str(guesser.pause), "PATH": os.environ["PATH"]},
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


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]
