"""Number and face checks on a provider's own page, spoken to over real sockets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity.models import Assertion
from tests.factories import make_holder, make_meeting
from tests.handset import handset
from tests.identity.providers.test_oidc import level, open_link
from voting_portal.gateways import signing

__all__ = ["handset"]
pytestmark = pytest.mark.django_db
SECRET = "a-secret-of-the-tests"


class CheckService:
    """Takes orders and says what became of them; the tests play the person on its page."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.orders: dict[str, dict[str, Any]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.signs_with = SECRET
        self.page = f"{url}/page/"

    def options(self, check: str) -> dict[str, Any]:
        return {
            "kind": "hosted_check",
            "check": check,
            "label": "本机号码核验" if check == "number" else "实名核验",
            "url": self.url,
            "secret": SECRET,
        }

    def passes(self, order: str, state: str = "passed", *, at: float | None = None) -> None:
        self.states[order] = {"order": order, "state": state, "at": at or time.time()}


@contextmanager
def serving() -> Iterator[CheckService]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signing.check([SECRET], self.headers, body, now=timezone.now())
            asked = json.loads(body)
            service.orders[asked["order"]] = asked
            self._say({"order": asked["order"], "page": f"{service.page}{asked['order']}"})

        def do_GET(self) -> None:
            signing.check([SECRET], self.headers, self._url(), now=timezone.now())
            order = self.path.rpartition("/")[2]
            self._say(service.states.get(order, {"order": order, "state": "open"}))

        def _url(self) -> bytes:
            return f"{service.url}{self.path}".encode()

        def _say(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            headers = signing.signed_headers(service.signs_with, body, now=timezone.now())
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = CheckService(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield service
        server.shutdown()


@pytest.fixture
def service(settings):
    with serving() as found:
        settings.IDENTITY_PROVIDERS = {
            "number": found.options("number"),
            "face": found.options("face"),
        }
        yield found


@pytest.fixture
def holder(handset):
    return make_holder(make_meeting())


def begin(client: Client, holder: Any, name: str) -> Any:
    return client.post(reverse("identity:provider-begin", args=[holder.meeting_id, name]))


def order_of(sent: Any) -> str:
    return sent.headers["Location"].rpartition("/")[2]


def come_back(client: Client, service: CheckService, order: str, **words: str) -> Any:
    address = urlsplit(service.orders[order]["return_url"])
    given = {name: values[0] for name, values in parse_qs(address.query).items()}
    return client.get(address.path, given | words)


def test_the_carrier_confirms_the_registered_number(client, service, holder):
    open_link(client, holder)

    sent = begin(client, holder, "number")
    order = order_of(sent)
    service.passes(order)
    response = come_back(client, service, order)

    assert service.orders[order]["phone"] == "15400000001"
    assert "name" not in service.orders[order]
    assert response.headers["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])
    assert level(client, holder) == 1
    assert Assertion.objects.get().provider == "number"


@pytest.mark.parametrize("state", ["open", "failed", "PASSED", ""])
def test_what_the_browser_says_is_no_evidence(client, service, holder, state):
    open_link(client, holder)
    order = order_of(begin(client, holder, "number"))
    service.passes(order, state)

    response = come_back(client, service, order, passed="1", result="success")

    assert response.status_code == 422
    assert level(client, holder) == 0


def test_a_check_of_long_ago_counts_no_more(client, service, holder):
    open_link(client, holder)
    order = order_of(begin(client, holder, "number"))
    service.passes(order, at=time.time() - 3600)

    assert come_back(client, service, order).status_code == 422
    assert level(client, holder) == 0


@pytest.mark.parametrize("at", [True, "now", float("nan"), 10**400, 1e300, -1e300])
def test_a_check_at_no_time_counts_nothing(client, service, holder, at):
    open_link(client, holder)
    order = order_of(begin(client, holder, "number"))
    service.passes(order, at=at)

    assert come_back(client, service, order).status_code == 422
    assert level(client, holder) == 0


@pytest.mark.parametrize("behind", [".evil.example/", "@evil.example/", "0/"])
def test_nobody_is_sent_to_a_host_that_only_begins_like_the_providers(
    client, service, holder, behind
):
    open_link(client, holder)
    service.page = service.url + behind

    response = begin(client, holder, "number")

    assert response.status_code == 503
    assert "Location" not in response.headers


def test_a_face_counts_beside_a_code_and_never_alone(client, service, holder, handset):
    open_link(client, holder)

    alone = begin(client, holder, "face")
    page = reverse("identity:code", args=[holder.meeting_id])
    client.post(page, {"code": handset.code()})
    order = order_of(begin(client, holder, "face"))
    service.passes(order)
    come_back(client, service, order)

    assert alone.status_code == 404
    assert service.orders[order].keys() == {
        "order",
        "kind",
        "return_url",
        "name",
        "id_type",
        "id_no",
    }
    assert level(client, holder) == 2


def test_an_answer_that_the_provider_did_not_sign_is_refused(client, service, holder):
    open_link(client, holder)
    service.signs_with = "another-secret"

    response = begin(client, holder, "number")

    assert response.status_code == 503
    assert level(client, holder) == 0


def test_one_check_opens_one_session(client, service, holder):
    open_link(client, holder)
    order = order_of(begin(client, holder, "number"))
    service.passes(order)
    kept = client.cookies.copy()
    come_back(client, service, order)
    again = Client()
    again.cookies.update(kept)

    assert come_back(again, service, order).status_code == 422
    assert Assertion.objects.count() == 1


def test_the_session_without_the_code_is_not_lifted_by_the_link_of_another(client, service, holder):
    other = make_holder(make_meeting(), name="李四")
    open_link(client, holder)
    order = order_of(begin(client, holder, "number"))
    service.passes(order)
    open_link(client, other)

    come_back(client, service, order)

    assert level(client, holder) == 1
    assert level(client, other) == 0
