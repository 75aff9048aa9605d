"""Redis ends in the middle of a vote and comes back: a real server, stopped by its process id."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse

from ballots.models import Ballot
from identity import limits
from identity.links import personal_url
from tests.ballots.test_pages import ANSWERS, mark_in
from tests.factories import make_holder, make_meeting, make_operator
from tests.house.test_visitors import TABLE
from voting_portal import embedded

pytestmark = [pytest.mark.servers, pytest.mark.django_db]
PASSWORD = "correct horse battery"


class Redis:
    """A Redis of this test's own, on a socket."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "redis.sock"
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(embedded._redis_program(), "--port", "0", "--unixsocket", str(self.socket)),
                *("--dir", str(self.directory), "--save", ""),
            ],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(unix_socket_path=str(self.socket))
        for _try in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        client.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture
def server(settings):
    limits.forget()
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:  # a socket's path must be short
        own = Redis(Path(directory))
        own.start()
        settings.CACHES = {
            "default": {
                **settings.CACHES["default"],
                "LOCATION": f"unix://{own.socket}",
            }
        }
        yield own
        own.kill()


@pytest.fixture
def meeting():
    return make_meeting()


def path_of(holder):
    return f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"


def verify(browser, holder, handset, phone):
    code_page = browser.post(path_of(holder))["Location"]
    return browser.post(code_page, {"code": handset.code(phone)})


def test_who_is_verified_votes_on_and_the_others_are_told_to_wait(client, server, meeting, handset):
    first = make_holder(meeting, phone="15400000001")
    second = make_holder(meeting, phone="15400000002")
    other = Client()
    verify(client, first, handset, "15400000001")
    paper = client.get(reverse("ballots:ballot", args=[meeting.pk]))
    operator = make_operator()
    operator.set_password(PASSWORD)
    operator.save()
    form = {"username": operator.username, "password": PASSWORD}

    server.kill()
    landing = other.get(path_of(second))
    no_code = other.post(path_of(second))
    review = client.post(
        reverse("ballots:review", args=[meeting.pk]), {"mark": mark_in(paper), **ANSWERS}
    )
    done = client.post(
        reverse("ballots:cast", args=[meeting.pk]),
        {"mark": mark_in(paper), **ANSWERS},
        follow=True,
    )
    refused = Client().post("/staff/login", form)
    readiness = other.get("/ready")

    assert landing.status_code == 200
    assert no_code.status_code == 503
    assert "系统繁忙" in no_code.text
    assert handset.texts("15400000002") == []
    assert review.status_code in {200, 303}
    assert "确认码" in done.text
    assert Ballot.objects.count() == 1
    assert refused.status_code == 503
    assert (readiness.status_code, readiness.json()["redis"]) == (200, "no answer")


def test_without_redis_no_address_answers_with_a_failure(client, server, meeting, handset):
    """The client raises what a server would answer 500 to."""
    holder = make_holder(meeting, phone="15400000001")
    verify(client, holder, handset, "15400000001")
    operator = Client()
    operator.force_login(make_operator())
    server.kill()

    statuses = {
        (name, method): browser.generic(method, row.path.format(meeting=meeting.pk)).status_code
        for name, row in TABLE.items()
        for method in ("GET", "POST")
        for browser in (client, operator, Client())
        if name != "identity:leave"
    }

    assert not {key: status for key, status in statuses.items() if status == 500}
    assert len(statuses) > 60


def test_when_redis_is_back_codes_are_sent_and_staff_sign_in(client, server, meeting, handset):
    holder = make_holder(meeting, phone="15400000001")
    operator = make_operator()
    operator.set_password(PASSWORD)
    operator.save()
    client.get(path_of(holder))
    server.kill()
    assert client.post(path_of(holder)).status_code == 503

    server.start()
    verified = verify(client, holder, handset, "15400000001")
    staff = Client()
    staff.post("/staff/login", {"username": operator.username, "password": PASSWORD})

    assert verified["Location"] == reverse("ballots:ballot", args=[meeting.pk])
    assert get_user(staff) == operator
