"""A crowd at the door, over HTTP, before two processes that share the queue."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from identity.links import personal_url
from identity.models import Challenge
from tests.deploy.serving import gunicorn
from tests.factories import make_holders, make_meeting
from tests.handset import SECRET
from voting_portal.common import ids

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
CROWD, RATE = 60, 10


class Browser:
    """One holder's browser: keeps cookies, follows what it is told, notes how long it waited."""

    def __init__(self, port: int, link: str) -> None:
        self.port, self.link = port, link
        self.cookie, self.looks = "", 0

    def ask(self, method: str, path: str) -> http.client.HTTPResponse:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        client.request(method, path, headers={"Cookie": self.cookie})
        answer = client.getresponse()
        answer.read()
        client.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self.cookie = cookie.partition(";")[0]
        return answer

    def begin(self) -> float:
        """Press the button and wait as the pages say; the seconds until the page of the code."""
        began = time.monotonic()
        answer = self.ask("POST", self.link)
        while True:
            assert answer.status in {200, 303}
            to = answer.headers.get("Location", "")
            if to.endswith("/code"):
                return time.monotonic() - began
            if answer.status == 303:
                answer = self.ask("GET", to)
            else:
                self.looks += 1
                # Real pages look again after whole seconds; a test is in more of a hurry.
                time.sleep(float(answer.headers["Refresh"]) / 4)
                answer = self.ask("GET", self.page)

    @property
    def page(self) -> str:
        return f"/m/{self.cookie.partition('=')[0].removeprefix('voter-')}/wait"


def test_a_crowd_comes_in_at_the_set_pace_in_order_and_nobody_is_lost(handset, settings, tmp_path):
    meeting = make_meeting()
    make_holders(meeting, CROWD)
    paths = [
        f"/v/{personal_url(ids.holder_id(meeting.pk, n), 0).rpartition('/')[2]}"
        for n in range(1, CROWD + 1)
    ]
    gateways = {"sms": {**settings.GATEWAYS["sms"], "secret": SECRET, "rate": 5_000}}
    limits = {"SIGN_INS_A_SECOND": str(RATE), "GATEWAYS": json.dumps(gateways)}
    with gunicorn(tmp_path, workers=2, threads=16, **limits) as served:
        browsers = [Browser(served.port, path) for path in paths]
        gate = threading.Barrier(CROWD)

        def come(browser: Browser) -> float:
            gate.wait()
            return browser.begin()

        with ThreadPoolExecutor(CROWD) as threads:
            times = sorted(threads.map(come, browsers))

    # One second's worth may begin at once; the last one's moment is five seconds later.
    due = (CROWD - RATE) / RATE
    assert len(times) == CROWD
    assert due - 0.5 < times[-1] < due + 10
    for number, seconds in enumerate(times):
        assert seconds > (number - RATE) / RATE - 0.5
    assert sum(1 for browser in browsers if browser.looks) >= CROWD - 2 * RATE
    # Codes went to those who came in at once; the others ask for theirs on the page they are on.
    assert 0 < Challenge.objects.filter(sent_at__lte=timezone.now()).count() <= CROWD
