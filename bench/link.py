"""Signing, verifying and refusing personal links, beside one HMAC-SHA-256 each; by CPU time.

And the whole answer to a bad link, from the server's request to its bytes, beside judging it alone.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

from bench import Row, Scale
from bench.meetings import make_meeting
from identity.links import ALPHABET, read_link, sign_link
from meetings import live
from meetings.keys import meeting_key
from meetings.models import MeetingKey
from voting_portal.common import ids

BATCH = 1_000


def measure(scale: Scale) -> Iterator[Row]:
    """One process. A random link has the right key id and meeting: it fails at the MAC."""
    meeting = make_meeting(1)
    key = meeting_key(meeting.pk, MeetingKey.Purpose.LINKS)
    holders = [ids.holder_id(meeting.pk, index) for index in range(1, BATCH + 1)]
    genuine = [sign_link(key, holder, 0) for holder in holders]
    forged = [
        code[:5] + "".join(secrets.choice(ALPHABET[:30]) for _ in range(20)) for code in genuine
    ]
    live.live_meeting(meeting.pk)
    seconds = scale.seconds / 4

    floor = _rate(lambda: [hmac.digest(key, b"link 1 2 3", "sha256") for _ in holders], seconds)
    rows: dict[str, Callable[[], object]] = {
        "link sign": lambda: [sign_link(key, holder, 0) for holder in holders],
        "link verify": lambda: [read_link(code) for code in genuine],
        "link reject": lambda: [read_link(code) for code in forged],
    }
    assert all(map(read_link, genuine))
    assert not any(map(read_link, forged))
    for name, act in rows.items():
        ours = _rate(act, seconds)
        note = f"one core, {1e6 / ours:.1f} us each; floor: one HMAC-SHA-256"
        yield Row(name, ours, floor, "links/s", is_rate=True, note=note)
    yield _turn_away(forged, floor=ours, seconds=seconds)


def _turn_away(forged: list[str], *, floor: float, seconds: float) -> Row:
    """The answer that voting_portal/gate.py gives; the note says what Django takes for the same."""
    from voting_portal import wsgi

    asked = {"REQUEST_METHOD": "GET", "HTTP_HOST": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(asked)
    requests = [{**asked, "PATH_INFO": f"/v/{code}"} for code in forged]

    def answer(application: Callable[..., Any], number: int) -> None:
        for request in requests[:number]:
            given = application(dict(request), lambda *_line: None)
            b"".join(given)
            if hasattr(given, "close"):
                given.close()

    answer(wsgi.application, BATCH)
    ours = _rate(lambda: answer(wsgi.application, BATCH), seconds)
    by_django = _rate(lambda: answer(wsgi.django, BATCH // 10), seconds) / 10
    note = f"{1e6 / ours:.0f} us each, by Django {1e6 / by_django:.0f} us; floor: judging it alone"
    return Row("link turn away", ours, floor, "links/s", is_rate=True, note=note)


def _rate(act: Callable[[], object], seconds: float) -> float:
    """Links a second of processor time, which other work on the machine does not take away."""
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        act()
        done += BATCH
    return done / (time.process_time() - started)
