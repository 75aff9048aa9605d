"""Pages as they are kept, beside the same pages drawn anew each time, and their slowest at 60 % of
the highest rate.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.http import HttpResponse
from django.utils import timezone

from bench import Row, Scale
from bench.meetings import MOTIONS, make_meeting
from bench.open_page import CONNECTIONS, ask_by_wrk, gunicorn
from bench.proxy import nginx
from identity.links import Link, personal_url
from identity.voters import begin, keep, verified
from tests.house.test_nginx import NGINX
from voting_portal.common import ids

SHARE = 0.6  # of the highest rate
# So many phones that each waits between two pages; their pauses differ, so that they do not march.
PHONES = 64


def measure(scale: Scale) -> Iterator[Row]:
    """Landing, ballot and public agenda of a meeting with twenty motions."""
    if shutil.which("wrk") is None:
        print("pages: left out, needs wrk")
        return
    meeting = make_meeting(1_000)
    holder = ids.holder_id(meeting.pk, 1)
    pages = {
        "landing": f"/v/{personal_url(holder, 0).rpartition('/')[2]}",
        "ballot": f"/m/{meeting.pk}/ballot",
        "agenda": f"/m/{meeting.pk}",
    }
    cookie = _cookie(holder, meeting.pk)
    drawn_anew = {}
    with gunicorn(DRAW_ANEW="1") as port:
        for name, path in pages.items():
            drawn_anew[name] = _wrk(f"http://127.0.0.1:{port}{path}", scale.seconds, cookie)
    with gunicorn() as port:
        for name, path in pages.items():
            url = f"http://127.0.0.1:{port}{path}"
            _wrk(url, 1, cookie)
            rate, slowest = _wrk(url, scale.seconds, cookie)
            anew, slowest_anew = drawn_anew[name]
            note = (
                f"{MOTIONS} motions, p99 {slowest:.0f} ms; floor: drawn anew each time, so below 1 "
                f"is what keeping gives; p99 {slowest_anew:.0f} ms"
            )
            yield Row(f"{name} kept", rate, anew, "pages/s", is_rate=True, note=note)
            if name != "ballot":
                yield _at_a_share(name, url, rate, scale.seconds, cookie)
        if NGINX is not None:
            with nginx(port, is_limited=False) as (tls_port, _directory):
                url = f"https://127.0.0.1:{tls_port}{pages['agenda']}"
                alone = f"http://127.0.0.1:{port}{pages['agenda']}"
                in_nginx, slowest = _wrk(url, scale.seconds, cookie)
                floor, _ = _wrk(alone, scale.seconds, cookie)
                note = f"over TLS, p99 {slowest:.0f} ms; floor: asked of gunicorn each time"
                yield Row("agenda in nginx", in_nginx, floor, "pages/s", is_rate=True, note=note)


def _at_a_share(name: str, url: str, rate: float, seconds: float, cookie: str) -> Row:
    """The slowest of a hundred at SHARE of the highest rate, beside the 50 ms that is promised."""
    pause = 2_000 * PHONES / (SHARE * rate)
    offered, slowest = _wrk(url, max(seconds, 3), cookie, connections=PHONES, pause=pause)
    note = f"p99 at {offered:,.0f} pages/s, of {rate:,.0f} at most; floor: what is promised"
    return Row(f"{name} at 60 %", slowest, 50, "ms", is_rate=False, note=note)


def _cookie(holder: int, meeting_id: int) -> str:
    """Of a holder who is verified."""
    now, response = timezone.now(), HttpResponse()
    keep(response, verified(begin(Link(holder, meeting_id, 0), now=now), level=1, now=now))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())


def _wrk(
    url: str, seconds: float, cookie: str, *, connections: int = CONNECTIONS, pause: float = 0
) -> tuple[float, float]:
    """Requests a second and the 99th percentile in ms; `pause` is the longest one, in ms."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "pause.lua"
        script.write_text(
            f"function delay() return math.random(0, {round(pause)}) end\n" if pause else ""
        )
        return ask_by_wrk(
            *("-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"),
            *("-H", f"Cookie: {cookie}", "-H", "Host: 127.0.0.1", "-s", str(script), url),
        )
