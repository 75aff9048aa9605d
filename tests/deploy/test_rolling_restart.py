"""A new version under traffic: gunicorn behind the real nginx, and not one request is dropped."""

from __future__ import annotations

import http.client
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.utils import timezone

from ballots.entitlement import read_entitlement
from ballots.models import Ballot
from ballots.paper import Paper
from identity import voters
from identity.links import Link, personal_url
from meetings import live
from tests.deploy.serving import free_port, gunicorn
from tests.factories import make_holders, make_meeting
from tests.house.test_nginx import NGINX, configuration, wait_for, write_certificate
from voting_portal.common import ids

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(NGINX is None, reason="LEFT OUT: no nginx on this machine"),
]
VOTERS = 400
ANSWERS = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "100"}
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


@contextmanager
def nginx(directory, *, upstream: int) -> Iterator[int]:
    """The deployed nginx in front of a port; its own port."""
    directory.chmod(0o755)
    write_certificate(directory)
    https, http_port = free_port(), free_port()
    file = directory / "nginx.conf"
    file.write_text(configuration(directory, upstream=upstream, https=https, http=http_port))
    running = subprocess.Popen(
        [
            *(NGINX, "-e", str(directory / "error.log"), "-p", str(directory)),
            *("-c", str(file), "-g", "daemon off;"),
        ]
    )
    try:
        wait_for(https)
        yield https
    finally:
        running.terminate()
        running.wait(10)


class Crowd:
    """People who open links and cast votes one after the other until they are called off."""

    def __init__(self, port: int, meeting_id: int) -> None:
        self.port, self.meeting_id = port, meeting_id
        self.over = threading.Event()
        self.looks: list[int] = []  # status
        self.casts: list[tuple[int, int]] = []  # holder, status
        self.broken: list[str] = []
        self.left = iter(range(1, VOTERS + 1))
        self.lock = threading.Lock()

    def ask(self, method: str, path: str, body: str = "", cookie: str = "") -> int:
        client = http.client.HTTPSConnection("127.0.0.1", self.port, context=TRUSTING, timeout=60)
        headers = {"Host": "vote.example", "Cookie": cookie}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = "https://vote.example"
        try:
            client.request(method, path, body or None, headers)
            answer = client.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            self.broken.append(repr(error))
            return 0
        finally:
            client.close()

    def look(self) -> None:
        path = f"/v/{personal_url(ids.holder_id(self.meeting_id, 1), 0).rpartition('/')[2]}"
        while not self.over.is_set():
            self.looks.append(self.ask("GET", path))

    def vote(self, forms: dict[int, tuple[str, str]]) -> None:
        while not self.over.is_set():
            with self.lock:
                number = next(self.left, None)
            if number is None:
                return
            cookie, body = forms[number]
            status = self.ask("POST", f"/m/{self.meeting_id}/cast", body, cookie)
            self.casts.append((ids.holder_id(self.meeting_id, number), status))
            time.sleep(0.02)


def filled_in(meeting) -> dict[int, tuple[str, str]]:
    """Cookie and form of every holder, at the last step."""
    now, agenda, forms = timezone.now(), live.agenda(meeting.pk), {}
    for number in range(1, VOTERS + 1):
        holder = ids.holder_id(meeting.pk, number)
        voter = voters.begin(Link(holder, meeting.pk, 0), now=now)
        response = HttpResponse()
        voters.keep(response, voters.verified(voter, level=1, now=now))
        cookies = [f"{name}={morsel.value}" for name, morsel in response.cookies.items()]
        paper = Paper(
            entitlement=read_entitlement(holder, 0),
            agenda=agenda,
            share_class=agenda.share_classes[0],
        )
        token = "a" * 32
        form = {"mark": paper.mark, "csrfmiddlewaretoken": token, **ANSWERS}
        forms[number] = ("; ".join([*cookies, f"csrf={token}"]), urlencode(form))
    return forms


def test_a_rolling_restart_drops_no_request(tmp_path):
    meeting = make_meeting()
    make_holders(meeting, VOTERS)
    forms = filled_in(meeting)
    env = {"PUBLIC_URL": "https://vote.example", "PROXY_HOPS": "1"}
    with (
        gunicorn(tmp_path, workers=2, threads=4, **env) as served,
        nginx(tmp_path, upstream=served.port) as port,
    ):
        crowd = Crowd(port, meeting.pk)
        people = [threading.Thread(target=crowd.look) for _each in range(3)]
        people += [threading.Thread(target=crowd.vote, args=[forms]) for _each in range(3)]
        for person in people:
            person.start()
        for _restart in range(3):
            time.sleep(2)
            served.send(signal.SIGHUP)
        time.sleep(3)
        crowd.over.set()
        for person in people:
            person.join()

    assert crowd.broken == []
    assert set(crowd.looks) == {200}
    assert {status for _holder, status in crowd.casts} == {303}
    assert len(crowd.casts) > 10
    assert served.log.read_text().count("Hang up") == 3
    assert set(Ballot.objects.values_list("holder_id", flat=True)) == {h for h, _s in crowd.casts}
