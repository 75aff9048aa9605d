"""Casting ballots, beside the same INSERT without rules."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import Entitlement, read_entitlement
from ballots.lines import motion_field
from ballots.models import Ballot
from ballots.paper import Paper
from bench import BARE_BALLOT, Row, Scale
from bench.meetings import MOTIONS, make_meeting
from bench.open_page import CONNECTIONS, gunicorn
from identity.links import Link
from identity.voters import begin, keep, verified
from meetings.agenda import Agenda, read_agenda
from meetings.models import Holder
from voting_portal.common import ids

CSRF_SECRET = "b" * 32  # what the double submit compares, with itself
CHOICES = {f"{group}.00": "FOR" for group in range(1, MOTIONS + 1)}


def measure(scale: Scale) -> Iterator[Row]:
    yield _row_of_the_verb(scale)
    yield _row_of_the_page(scale)


def _row_of_the_verb(scale: Scale) -> Row:
    """One process, one connection: what the rules, the lock and two reads add to an INSERT."""
    meeting = make_meeting(100_000)
    agenda = read_agenda(meeting.pk)
    holders = (ids.holder_id(meeting.pk, index) for index in range(1, 100_000))

    def ours(holder: int) -> None:
        entitlement = read_entitlement(holder, 0)
        assert entitlement is not None
        cast_ballot(entitlement=entitlement, agenda=agenda, share_class=0, choices=CHOICES, level=1)

    def bare(holder: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE_BALLOT, [holder << 3, holder, json.dumps(CHOICES)])

    rates = []
    for act in (ours, bare):
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < scale.seconds / 2:
            act(next(holders))
            done += 1
        rates.append(done / (time.perf_counter() - started))
    note = f"{MOTIONS} motions, entitlement read and ballot cast by one process"
    return Row("vote", rates[0], rates[1], "ballots/s", is_rate=True, note=note)


def _row_of_the_page(scale: Scale) -> Row:
    """POST of a whole ballot until it is confirmed, through gunicorn, by sixteen browsers."""
    voters = 20_000
    meeting = make_meeting(2 * voters)
    holders = [ids.holder_id(meeting.pk, index) for index in range(1, 2 * voters + 1)]
    agenda = read_agenda(meeting.pk)
    form = {motion_field(number): opinion for number, opinion in CHOICES.items()}
    casts = (_cast_request(agenda, holder, form) for holder in holders[:voters])
    bare = (_post(f"/bare-vote/{holder}", CHOICES) for holder in holders[voters:])
    with gunicorn() as port:
        rates = [_push(port, requests, scale.seconds) for requests in (casts, bare)]
    ballots = Ballot.objects.of_meeting(meeting.pk)
    assert ballots.exclude(commitment=bytes(32)).count() == round(rates[0] * scale.seconds)
    note = (
        f"{MOTIONS} motions, until the redirect to the confirmation; floor: a view with the INSERT"
    )
    return Row("vote page", rates[0], rates[1], "ballots/s", is_rate=True, note=note)


def _cast_request(agenda: Agenda, holder: int, form: dict[str, str]) -> bytes:
    """The last step of a verified holder: the form of the review page with its cookies."""
    now = timezone.now()
    meeting = agenda.meeting_id
    voter = verified(begin(Link(holder, meeting, 0), now=now), level=1, now=now)
    browser = HttpResponse()
    keep(browser, voter)
    entitlement = Entitlement(Holder(id=holder, kind="I", shares=[100]), frozenset(), {})
    share_class = agenda.share_classes[0]
    mark = Paper(entitlement=entitlement, agenda=agenda, share_class=share_class, data={}).mark
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    cookies[settings.CSRF_COOKIE_NAME] = CSRF_SECRET
    fields = {**form, "mark": mark, "csrfmiddlewaretoken": CSRF_SECRET}
    return _post(f"/m/{meeting}/cast", fields, cookies)


def _post(path: str, fields: dict[str, str], cookies: dict[str, str] | None = None) -> bytes:
    body = urlencode(fields)
    cookie = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        f"\r\n{body}"
    ).encode()


def _push(port: int, requests: Iterable[bytes], seconds: float) -> float:
    """Answers of 303 a second over sixteen kept connections; anything else is an error."""
    prepared = iter(list(requests))  # before the clock starts
    lock, done = threading.Lock(), [0] * CONNECTIONS
    end = time.perf_counter() + seconds

    def browse(place: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < end:
                with lock:
                    request = next(prepared)
                connection.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += connection.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 303"):
                    raise RuntimeError(answer.decode(errors="replace")[:300])
                done[place] += 1

    with ThreadPoolExecutor(CONNECTIONS) as browsers:
        list(browsers.map(browse, range(CONNECTIONS)))
    return sum(done) / seconds
