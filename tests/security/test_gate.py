"""The gate: a bad link is answered without Django, and nobody can tell by the answer."""

from __future__ import annotations

import io
import time
from wsgiref.util import setup_testing_defaults

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from identity import canaries, limits
from identity.links import personal_url, read_link
from meetings import live
from meetings.models import Holder
from tests.factories import make_holder, make_meeting
from voting_portal import gate
from voting_portal.common.counters import INVALID_LINKS, REQUESTS
from voting_portal.gate import Gate

pytestmark = pytest.mark.django_db
LARGE = f"{settings.TYPE_COOKIE_NAME}=large"


class Watched:
    """Django, and how often it was asked."""

    def __init__(self):
        self.django, self.asked = get_wsgi_application(), 0

    def __call__(self, environ, start_response):
        self.asked += 1
        return self.django(environ, start_response)


class Server:
    """The gate in front of Django."""

    def __init__(self):
        self.django = Watched()
        self.gate = Gate(self.django)

    def ask(self, path, *, past_the_gate=False, **environ):
        environ = {"PATH_INFO": path, "HTTP_HOST": "testserver", **environ}
        environ["wsgi.input"] = io.BytesIO()
        setup_testing_defaults(environ)
        begun = []
        application = self.django.django if past_the_gate else self.gate
        answer = application(environ, lambda *line: begun.append(line))
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        status, headers = begun[-1][:2]
        ids = {value for name, value in headers if name == "X-Request-Id"}
        return status, [pair for pair in headers if pair[0] != "X-Request-Id"], body, ids


@pytest.fixture(autouse=True)
def _as_a_client_of_tests():
    """No limit is used up, and the test's own connection stays open between requests."""
    limits.forget()
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def path():
    return f"/v/{personal_url(make_holder(make_meeting()).pk, 0).rpartition('/')[2]}"


def forged(path, number=0):
    return f"{path[:-5]}{number:05d}"


def counted(status):
    return REQUESTS.labels("ballots:link", status)._value.get()


REQUESTS_FOR_BAD_LINKS = [
    {},
    {"REQUEST_METHOD": "HEAD"},
    {"REQUEST_METHOD": "POST"},
    {"HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.8"},
    {"HTTP_COOKIE": f"{settings.LANGUAGE_COOKIE_NAME}=en; other=1"},
    {"HTTP_COOKIE": LARGE},
    {"HTTP_COOKIE": f"{settings.TYPE_COOKIE_NAME}=huge; other=1"},
    {"HTTP_HOST": "localhost"},
    {"wsgi.url_scheme": "https"},
    {"QUERY_STRING": "from=somewhere", "HTTP_REFERER": "https://elsewhere.example/"},
]


@pytest.mark.parametrize("environ", REQUESTS_FOR_BAD_LINKS, ids=str)
def test_the_gates_answer_is_djangos_to_the_byte(server, path, environ):
    others = [{"HTTP_COOKIE": LARGE}, {"HTTP_ACCEPT_LANGUAGE": "en"}, {"HTTP_HOST": "127.0.0.1"}]
    for other in (*others, environ):
        server.ask(forged(path), **other)
        server.ask(forged(path), **other)
    asked = server.django.asked

    quick = server.ask(forged(path, 1), **environ)
    slow = server.ask(forged(path, 1), past_the_gate=True, **environ)

    assert server.django.asked == asked
    assert quick[:3] == slow[:3]
    assert quick[0] == "404 Not Found"
    assert len(quick[3]) == len(slow[3]) == 1
    assert quick[3] != slow[3]


def test_every_bad_link_looks_alike(server, path):
    link = read_link(path[3:])
    Holder.objects.filter(pk=link.holder_id).update(link_generation=2)
    old = personal_url(link.holder_id, 1)
    canary = canaries.canary_url(link.meeting_id, 1)
    bad = {
        "forged": forged(path),
        "short": path[:-1],
        "no base62": f"{path[:-1]}-",
        "full width": f"{path[:-1]}１".encode().decode("latin-1"),
        "no such meeting": f"/v/00009{path[8:]}",
        "no such key": f"/v/zzzzz{path[8:]}",
        "canary": f"/v/{canary.rpartition('/')[2]}",
        "old": f"/v/{old.rpartition('/')[2]}",
    }

    answers = {what: [server.ask(link)[:3] for _each in range(2)] for what, link in bad.items()}

    assert all(answer == answers["forged"][0] for pair in answers.values() for answer in pair)


def test_no_bad_link_takes_another_time(server, path):
    """What is judged early is answered no sooner: the answer takes longer than any judgement."""
    bad = {
        "forged": forged(path),
        "short": path[:-1],
        "no base62": f"{path[:-1]}-",
        "no such meeting": f"/v/00009{path[8:]}",
        "no such key": f"/v/zzzzz{path[8:]}",
    }
    quickest = dict.fromkeys(bad, float("inf"))
    for _round in range(300):
        for what, link in bad.items():
            limits.forget()
            began = time.perf_counter()
            server.ask(link)
            quickest[what] = min(quickest[what], time.perf_counter() - began)

    assert max(quickest.values()) < 2 * min(quickest.values()), quickest


def test_a_bad_link_asks_neither_django_nor_the_database_nor_the_cache(server, path, settings):
    for _each in range(2):  # the first fills the table of meetings
        server.ask(forged(path))
    asked = server.django.asked
    settings.CACHES = {"default": {"BACKEND": "nowhere.that.exists"}}

    with CaptureQueriesContext(connection) as queries:
        statuses = [server.ask(forged(path, number))[0][:3] for number in range(50)]

    assert set(statuses) == {"404"}
    assert (server.django.asked, len(queries)) == (asked, 0)


def test_what_the_gate_turns_away_is_counted_and_slowed_as_by_django(server, path):
    links, not_found, too_many = INVALID_LINKS._value.get(), counted(404), counted(429)

    statuses = [server.ask(forged(path, number))[0][:3] for number in range(100)]

    limit = limits.INVALID_LINKS.count
    assert statuses == ["404"] * limit + ["429"] * (100 - limit)
    assert server.django.asked <= 3
    assert counted(404) - not_found == limit
    assert counted(429) - too_many == 100 - limit
    assert 100 <= INVALID_LINKS._value.get() - links <= 101


def test_another_address_is_not_slowed(server, path):
    for number in range(100):
        server.ask(forged(path, number))

    assert server.ask(forged(path), REMOTE_ADDR="192.0.2.7")[0][:3] == "404"


@pytest.mark.parametrize(
    ("path", "environ"),
    [
        ("/v/", {}),
        ("/v/a\nb", {}),
        ("/v/short", {"REQUEST_METHOD": "PUT"}),
        ("/vv/short", {}),
        ("/v/short", {"HTTP_HOST": "evil.example"}),
    ],
)
def test_what_is_no_question_about_a_link_is_djangos(server, path, environ):
    live.live_meeting(1)

    statuses = {server.ask(path, **environ)[0] for _each in range(3)}

    assert server.django.asked == 3
    assert server.gate.answers == {}
    assert statuses == {server.ask(path, past_the_gate=True, **environ)[0]}


def test_a_genuine_link_is_djangos(server, path):
    answers = [server.ask(path)[0] for _each in range(3)]

    assert answers == ["200 OK"] * 3
    assert server.django.asked == 3


def test_the_gate_asks_django_when_it_may_know_too_little(server, path):
    for _each in range(2):  # the first fills the table of meetings
        server.ask(forged(path))
    asked = server.django.asked

    live.forget()
    server.ask(forged(path))

    assert server.django.asked == asked + 1


def test_an_answer_that_sets_a_cookie_is_kept_for_nobody(path):
    def application(_environ, start_response):
        start_response("404 Not Found", [("X-Request-Id", "1"), ("Set-Cookie", "a=b")])
        return [b""]

    live.live_meeting(1)
    server = Server()
    server.gate = Gate(application)
    server.ask(forged(path))

    assert server.gate.answers == {}


def test_a_page_that_names_its_request_is_kept_for_nobody(server, path, settings):
    settings.STAFF_URL, settings.ALLOWED_HOSTS = "http://staff.example", ["staff.example"]

    answers = [server.ask(forged(path), HTTP_HOST="staff.example") for _each in range(3)]

    assert server.gate.answers == {}
    assert all(ids.pop().encode() in body for _status, _headers, body, ids in answers)


def test_made_up_hosts_fill_no_memory(server, path):
    for number in range(gate.MOST_KEPT + 5):
        server.ask(forged(path), HTTP_HOST=f"localhost:{number + 1}")

    assert len(server.gate.answers) == gate.MOST_KEPT


def test_the_gates_answer_costs_a_fraction_of_djangos(server, path):
    links = [forged(path, number) for number in range(200)]
    for link in links:
        server.ask(link)

    def cost(*, past_the_gate):
        started = time.process_time()
        for link in links:
            server.ask(link, past_the_gate=past_the_gate)
        return time.process_time() - started

    quick = min(cost(past_the_gate=False) for _round in range(3))
    slow = min(cost(past_the_gate=True) for _round in range(3))

    assert quick < slow / 3
