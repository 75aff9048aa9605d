"""People who open links and cast votes over HTTP while a test does something to the servers."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone

from ballots.entitlement import read_entitlement
from ballots.paper import Paper
from identity import voters
from identity.links import Link, personal_url
from meetings import live
from meetings.models import Meeting
from voting_portal.common import ids

VOTERS = 400
ANSWERS = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "100"}
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE
Form = tuple[str, str]  # a browser's cookies, and what it posts


class Crowd:
    """People who open links and cast votes one after the other until they are called off."""

    def __init__(
        self, port: int, meeting_id: int, forms: dict[int, Form], *, is_tls: bool = True
    ) -> None:
        self.port, self.meeting_id, self.forms, self.is_tls = port, meeting_id, forms, is_tls
        # Made here: a thread that asked the database would leave its connection behind.
        self.link = f"/v/{personal_url(ids.holder_id(meeting_id, 1), 0).rpartition('/')[2]}"
        self.over = threading.Event()
        self.looks: list[int] = []  # status
        self.casts: list[tuple[int, int]] = []  # holder, status
        self.broken: list[str] = []
        self.left = iter(sorted(forms))
        self.lock = threading.Lock()

    def ask(self, method: str, path: str, body: str = "", cookie: str = "") -> int:
        client = (
            http.client.HTTPSConnection("127.0.0.1", self.port, context=TRUSTING, timeout=60)
            if self.is_tls
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        )
        headers = {"Host": "vote.example", "Cookie": cookie}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = "https://vote.example" if self.is_tls else "http://vote.example"
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
        while not self.over.is_set():
            self.looks.append(self.ask("GET", self.link))

    def vote(self) -> None:
        while not self.over.is_set():
            with self.lock:
                number = next(self.left, None)
            if number is None:
                return
            cookie, body = self.forms[number]
            status = self.ask("POST", f"/m/{self.meeting_id}/cast", body, cookie)
            self.casts.append((ids.holder_id(self.meeting_id, number), status))
            time.sleep(0.02)


def filled_in(meeting: Meeting, number_of_voters: int = VOTERS) -> dict[int, Form]:
    """Cookie and form of every holder, at the last step."""
    now, agenda, forms = timezone.now(), live.agenda(meeting.pk), {}
    for number in range(1, number_of_voters + 1):
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
