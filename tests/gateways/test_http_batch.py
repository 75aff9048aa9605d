"""The contract of a gateway, kept by our dialect over real sockets: what is certain is said."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import contextmanager

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from tests.gateways.conftest import SECRET
from voting_portal.gateways import Message, NoSuchGateway, Outcome, http_exchange, send_now
from voting_portal.gateways import gateway as gateway_named
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.protocol import NotFromGateway, ReceiptLine, Report
from voting_portal.gateways.signing import signed_headers

REACHABLE, UNREACHABLE = "15400000001", "15400000013"


def messages(number, phone=REACHABLE):
    return [Message(str(n), phone, f"【上证信息】第{n}条") for n in range(1, number + 1)]


def outcomes(results):
    return [result.outcome for result in results]


def test_a_batch_is_accepted_and_arrives_exactly_as_sent(gateway, simulator):
    results = gateway.send(messages(500))

    assert outcomes(results) == [Outcome.ACCEPTED] * 500
    assert [result.ref for result in results] == [str(n) for n in range(1, 501)]
    assert results[0].gateway_ref == "sim-1"
    newest = simulator.inbox.read(limit=1)[0]
    assert (newest.phone, newest.text) == (REACHABLE, "【上证信息】第500条")


def test_a_number_that_cannot_be_is_rejected_alone(gateway, simulator):
    results = gateway.send([Message("1", "not a number", "x"), Message("2", REACHABLE, "y")])

    assert outcomes(results) == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert results[0].reason == "BAD_NUMBER"
    assert simulator.inbox.count() == 1


def test_a_carrier_that_is_not_there_got_nothing():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"

        results = HttpBatchGateway("sms", {"url": url, "secret": "x", "rate": 1}).send(messages(2))

    assert outcomes(results) == [Outcome.NOT_SENT] * 2


def test_too_fast_is_not_sent_and_says_when_to_come_back(gateway, simulator, break_it):
    break_it(throttle=1)

    first, second = gateway.send(messages(2)), gateway.send(messages(2))

    assert outcomes(first) == [Outcome.THROTTLED] * 2
    assert first[0].retry_after == 1.0
    assert outcomes(second) == [Outcome.ACCEPTED] * 2
    assert simulator.inbox.count() == 2


def test_a_connection_that_is_cut_before_the_answer_leaves_it_unknown(gateway, simulator, break_it):
    break_it(drop=True)

    results = gateway.send(messages(2))

    assert outcomes(results) == [Outcome.UNKNOWN] * 2
    assert simulator.inbox.count() == 2  # which the portal cannot know


def test_a_silent_carrier_leaves_it_unknown_after_the_timeout(gateway, break_it, monkeypatch):
    monkeypatch.setattr(http_exchange, "TIMEOUT_SECONDS", 0.2)
    break_it(delay=0.6)

    results = gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]


def test_a_server_error_leaves_it_unknown(gateway, break_it):
    break_it(error=500)

    assert outcomes(gateway.send(messages(1))) == [Outcome.UNKNOWN]


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413])
def test_a_refusal_of_the_whole_request_is_our_own_fault(gateway, break_it, status):
    break_it(error=status)

    results = gateway.send(messages(2))

    assert outcomes(results) == [Outcome.MISCONFIGURED] * 2
    assert results[0].reason == f"HTTP {status}"


def test_a_wrong_secret_is_our_own_fault_and_sends_nothing(simulator):
    gateway = HttpBatchGateway("sms", {"url": simulator.url, "secret": "wrong", "rate": 1})

    results = gateway.send(messages(1))

    assert outcomes(results) == [Outcome.MISCONFIGURED]
    assert simulator.inbox.count() == 0


@contextmanager
def answering(answer):
    """A carrier that reads a request and says these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _address = server.accept()
            with connection, connection.makefile("rb") as request:
                request.readline()
                headers = http.client.parse_headers(request)
                request.read(int(headers["Content-Length"]))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>ok</html>", b"{}", b"[]", b"[1]", b'[{"id":"1"}]', b'[{"id":"2"}]', b"\xff"],
)
def test_an_answer_that_cannot_be_read_leaves_it_unknown(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering(head + body) as url:
        gateway = HttpBatchGateway("sms", {"url": url, "secret": "x", "rate": 1})

        results = gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_torn_answer_leaves_it_unknown(answer):
    with answering(answer) as url:
        gateway = HttpBatchGateway("sms", {"url": url, "secret": "x", "rate": 1})

        results = gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]


def test_receipts_come_back_signed_and_say_what_became_of_each(gateway, portal):
    gateway.send([Message("1", REACHABLE, "x"), Message("2", UNREACHABLE, "y")])

    headers, body = portal.receipts.get(timeout=30)

    lines = gateway.read_receipts(headers, body, now=timezone.now())
    assert lines == [
        ReceiptLine("1", Report.DELIVERED),
        ReceiptLine("2", Report.FAILED, "MK:0001"),
    ]


def test_receipts_can_come_twice_and_backwards(gateway, portal, break_it):
    break_it(duplicate_receipts=True, reordered_receipts=True, receipt_delay=0)

    gateway.send(messages(3))

    bodies = [portal.receipts.get(timeout=30)[1] for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert [line["id"] for line in json.loads(bodies[0])] == ["3", "2", "1"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b"{}x", b'[{"id":"1","status":"perhaps"}]', b'[{"status":"failed"}]', b"\xff"],
)
def test_a_receipt_that_cannot_be_read_is_refused(gateway, body):
    now = timezone.now()

    with pytest.raises(NotFromGateway):
        gateway.read_receipts(signed_headers(SECRET, body, now=now), body, now=now)


def test_a_receipt_signed_by_somebody_else_is_refused(gateway):
    body, now = b'[{"id":"1","status":"delivered"}]', timezone.now()

    with pytest.raises(NotFromGateway):
        gateway.read_receipts(signed_headers("guess", body, now=now), body, now=now)


def test_a_one_time_code_goes_out_at_once_by_the_gateway_named_sms(simulator, settings):
    options = {"dialect": "http_batch", "url": simulator.url, "secret": SECRET, "rate": 1}
    settings.GATEWAYS = {"sms": options}

    result = send_now(Message("code-1", REACHABLE, "【上证信息】验证码123456"))

    assert result.outcome is Outcome.ACCEPTED
    assert simulator.inbox.read(phone=REACHABLE)[0].text == "【上证信息】验证码123456"


def test_a_gateway_that_the_settings_do_not_name_is_refused():
    with pytest.raises(NoSuchGateway):
        gateway_named("pigeon")


@pytest.mark.parametrize(
    ("options", "what"), [({"dialect": "pigeon"}, "pigeon"), ({"dialect": "http_batch"}, "rate")]
)
def test_a_gateway_that_is_set_up_wrongly_says_what_is_wrong(settings, options, what):
    settings.GATEWAYS = {"sms": options}

    with pytest.raises(ImproperlyConfigured, match=what):
        gateway_named("sms")


def test_a_number_that_a_carrier_quotes_in_its_code_is_taken_out(gateway):
    body, now = b'[{"id":"1","status":"failed","code":"BLACK 15400000001"}]', timezone.now()

    lines = gateway.read_receipts(signed_headers(SECRET, body, now=now), body, now=now)

    assert REACHABLE not in lines[0].reason
    assert lines[0].reason.startswith("BLACK")


def test_a_message_shows_neither_its_number_nor_its_text_when_printed():
    printed = repr(Message("1", REACHABLE, "secret text"))

    assert REACHABLE not in printed
    assert "secret" not in printed
