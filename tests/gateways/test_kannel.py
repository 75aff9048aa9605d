"""Kannel's dialect without a Kannel: what it answers and reports, and what it must not learn."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from voting_portal.gateways import Message, Outcome
from voting_portal.gateways.kannel import KannelGateway
from voting_portal.gateways.protocol import NotFromGateway, ReceiptLine, Report

PHONE = "15400000001"


def gateway_at(url, **others):
    options = {
        "url": url,
        "username": "vote",
        "password": "pw",
        "secret": "of the tests",
        "receipts_url": "https://vote.example.cn/gateway/kannel/receipts",
        "src_id": "10690001",
        "rate": 100,
        **others,
    }
    return KannelGateway("kannel", options)


@contextmanager
def answering(status):
    """Something that answers every request so; yields its address and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers, body))
            if status:
                self.send_response(status)
                self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def report(address, *, state="1", said="id:7 stat:DELIVRD err:000"):
    """What stands behind the ? when Kannel has filled in its part."""
    return urlsplit(address).query.replace("%d", state).replace("%A", said).encode()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Outcome.ACCEPTED),
        (503, Outcome.THROTTLED),
        (403, Outcome.MISCONFIGURED),
        (302, Outcome.MISCONFIGURED),
        (500, Outcome.UNKNOWN),
        (0, Outcome.UNKNOWN),
    ],
)
def test_each_answer_means_one_thing(status, outcome):
    with answering(status) as (url, _asked):
        (result,) = gateway_at(url).send([Message("1", PHONE, "票")])

    assert result.outcome is outcome


def test_a_number_that_cannot_be_is_refused_without_asking():
    (result,) = gateway_at("http://127.0.0.1:9").send([Message("2", "none", "x")])

    assert result.outcome is Outcome.REJECTED


def test_number_text_and_password_stand_in_no_address():
    with answering(202) as (url, asked):
        gateway_at(url).send([Message("7", PHONE, "票")])

    ((path, headers, body),) = asked
    assert path == "/cgi-bin/sendsms"
    assert (headers["X-Kannel-To"], body.decode()) == (PHONE, "票")
    assert PHONE not in headers["X-Kannel-DLR-Url"]
    assert set(parse_qs(urlsplit(headers["X-Kannel-DLR-Url"]).query)) == {
        *("ref", "mac", "state", "said")
    }


@pytest.mark.parametrize(
    ("state", "said", "line"),
    [
        ("1", "id:7 stat:DELIVRD err:000", ReceiptLine("7", Report.DELIVERED)),
        ("2", "id:7 stat:UNDELIV err:045", ReceiptLine("7", Report.FAILED, "UNDELIV 045")),
        ("8", "ACK/", ReceiptLine("7", Report.NETWORK, "8")),
        ("16", "NACK/88/Throttling", ReceiptLine("7", Report.FAILED, "16")),
    ],
)
def test_what_it_fills_in_is_read(state, said, line):
    gateway = gateway_at("http://127.0.0.1:9")

    body = report(gateway._receipt_address("7"), state=state, said=said.replace(" ", "+"))

    assert gateway.read_receipts({}, body, now=timezone.now()) == [line]


@pytest.mark.parametrize(
    "change",
    [
        (b"ref=7", b"ref=8"),
        (b"mac=", b"mac=0"),
        (b"mac=", b"cam="),
        (b"state=1", b"state=x"),
        (b"ref", b"\xff"),
    ],
)
def test_an_address_that_was_not_made_here_is_refused(change):
    gateway = gateway_at("http://127.0.0.1:9")
    body = report(gateway._receipt_address("7")).replace(*change)

    with pytest.raises(NotFromGateway):
        gateway.read_receipts({}, body, now=timezone.now())


def test_a_secret_can_be_replaced_without_losing_a_receipt():
    before, after = (
        gateway_at("http://127.0.0.1:9", **secrets)
        for secrets in ({"secret": "old"}, {"secret": "new", "old_secret": "old"})
    )

    body = report(before._receipt_address("7"))

    assert after.read_receipts({}, body, now=timezone.now()) == [ReceiptLine("7", Report.DELIVERED)]
