"""What every gateway promises, whatever it speaks: over real sockets, with faults on demand."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from django.utils import timezone

from tests.gateways import lines
from tests.gateways.conftest import SECRET, Portal, serving
from tests.gateways.lines import until
from voting_portal.gateways import Message, Outcome, accounts
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.protocol import Report
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.server import Simulator
from voting_portal.gateways.simulator.sockets import carriers_of

REACHABLE, UNREACHABLE = "15400000001", "15400000013"
SOCKETS = tuple(lines.ACCOUNTS)


def messages(number, phone=REACHABLE):
    return [Message(str(n), phone, f"【上证信息】第{n}条") for n in range(1, number + 1)]


def outcomes(results):
    return [result.outcome for result in results]


class OverSockets:
    """A socket gateway, its simulated carrier, and what came over the line."""

    def __init__(self, line):
        self.gateway, self.inbox = line.gateway, line.inbox
        self._line = line

    def ask(self, **faults):
        self._line.server.carrier.faults = Faults(**faults)

    def receipts(self, number):
        """The next so many receipts: `(what names the message, report, reason)`."""
        return [(line.gateway_ref, line.report, line.reason) for line in self._line.hear(number)]

    def name(self, result):
        """By what a receipt names the message of this result."""
        return result.gateway_ref


class OverHttp:
    """The portal's own dialect."""

    def __init__(self, simulator, portal):
        self.gateway = HttpBatchGateway(
            "sms", {"url": simulator.url, "secret": SECRET, "rate": 1_000}
        )
        self.inbox = simulator.inbox
        self._simulator, self._portal, self._read = simulator, portal, []

    def ask(self, **faults):
        self._simulator.carrier.faults = Faults(**faults)

    def receipts(self, number):
        while len(self._read) < number:
            headers, body = self._portal.receipts.get(timeout=30)
            self._read += self.gateway.read_receipts(headers, body, now=timezone.now())
        read, self._read = self._read[:number], self._read[number:]
        return [(line.ref, line.report, line.reason) for line in read]

    def name(self, result):
        return result.ref


@pytest.fixture(params=("http_batch", *SOCKETS))
def way(request, tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "THROTTLE_SECONDS", 0.05)
    inbox = tmp_path / "inbox.sqlite3"
    if request.param == "http_batch":
        with serving(Portal()) as portal:
            url = f"http://127.0.0.1:{portal.server_port}/gateway/sms/receipts"
            simulator = Simulator(0, inbox, secret=SECRET, receipt_url=url)
            with serving(simulator):
                yield OverHttp(simulator, portal)
    else:
        with lines.line_to_carrier(request.param, inbox) as line:
            yield OverSockets(line)


def test_messages_are_accepted_in_their_order_and_arrive_as_written(way):
    results = way.gateway.send(messages(100))

    assert outcomes(results) == [Outcome.ACCEPTED] * 100
    assert [result.ref for result in results] == [str(n) for n in range(1, 101)]
    assert len({way.name(result) for result in results}) == 100
    until(lambda: way.inbox.count() == 100)
    written = {message.text for message in way.inbox.read(phone=REACHABLE, limit=200)}
    assert written == {message.text for message in messages(100)}


def test_a_long_message_with_rare_characters_arrives_in_one_piece(way):
    text = "【上证信息】" + "𠮷野家股东会" * 40 + "完"

    results = way.gateway.send([Message("1", REACHABLE, text)])

    assert outcomes(results) == [Outcome.ACCEPTED]
    until(lambda: way.inbox.count() == 1)
    assert way.inbox.read()[0].text == text


def test_a_number_that_cannot_be_is_rejected_alone(way):
    results = way.gateway.send([Message("1", "not a number", "x"), Message("2", REACHABLE, "y")])

    assert outcomes(results) == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert results[0].reason == "BAD_NUMBER"


def test_too_fast_is_certainly_not_sent_and_goes_through_later(way):
    way.ask(throttle=1)

    first = way.gateway.send(messages(1))
    second = way.gateway.send(messages(1))

    assert outcomes(first) == [Outcome.THROTTLED]
    assert first[0].retry_after == 1.0
    assert outcomes(second) == [Outcome.ACCEPTED]
    until(lambda: way.inbox.count() == 1)


def test_a_connection_cut_before_the_answer_leaves_it_unknown_and_is_not_tried_again(way):
    way.ask(drop=True)

    results = way.gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]
    way.ask()
    assert outcomes(way.gateway.send(messages(2)[1:])) == [Outcome.ACCEPTED]
    until(lambda: way.inbox.count() == 2)  # the first once, which the portal cannot know


def test_an_answer_that_cannot_be_read_leaves_it_unknown(way):
    way.ask(garbage=True)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.UNKNOWN]


@pytest.mark.parametrize("account", SOCKETS)
def test_a_silent_carrier_leaves_it_unknown_after_the_timeout(account, tmp_path):
    with lines.line_to_carrier(account, tmp_path / "inbox.sqlite3", answer_seconds=0.2) as line:
        line.server.carrier.faults = Faults(delay=10)
        began = time.monotonic()

        results = line.gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]
    assert time.monotonic() - began < 9  # the carrier would have answered after ten


def test_a_slow_carrier_is_waited_for(way):
    way.ask(delay=0.3)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.ACCEPTED]


def test_receipts_say_what_became_of_each(way):
    results = way.gateway.send([Message("1", REACHABLE, "x"), Message("2", UNREACHABLE, "y")])

    (delivered, failed) = way.receipts(2)

    assert delivered == (way.name(results[0]), Report.DELIVERED, "")
    assert failed[:2] == (way.name(results[1]), Report.FAILED)
    assert failed[2]


def test_receipts_may_come_twice_and_backwards(way):
    way.ask(duplicate_receipts=True, reordered_receipts=True)
    results = way.gateway.send(messages(3))

    receipts = way.receipts(6)

    backwards = [way.name(result) for result in reversed(results)]
    assert [name for name, _report, _reason in receipts] == backwards * 2


@pytest.mark.parametrize("account", SOCKETS)
def test_a_carrier_that_is_not_there_got_nothing(account):
    with lines.opened(lines.options_of(account, url=lines.NOBODY)) as line:
        results = line.gateway.send(messages(2))

    assert outcomes(results) == [Outcome.NOT_SENT] * 2


@pytest.mark.parametrize("account", SOCKETS)
def test_a_wrong_secret_is_our_own_fault_and_sends_nothing(account, tmp_path, caplog):
    right = lines.options_of(account)
    secret = "password" if "password" in right else "secret"
    with lines.carrier_of(right, tmp_path / "inbox.sqlite3") as server:
        wrong = {**right, secret: "guess", "url": f"tcp://127.0.0.1:{server.port}"}
        with lines.opened(wrong) as line:
            results = line.gateway.send(messages(2))

    assert outcomes(results) == [Outcome.MISCONFIGURED] * 2
    assert "guess" not in caplog.text


@pytest.mark.parametrize(
    ("account", "code"),
    [("cmpp3", 10), ("cmpp2", 10), ("smgp", 22), ("smpp", 0x0A), ("sgip", 5)],
)
def test_a_sender_that_the_carrier_does_not_know_is_our_own_fault(account, code, tmp_path):
    with lines.line_to_carrier(account, tmp_path / "inbox.sqlite3") as line:
        line.server.carrier.faults = Faults(error=code)

        results = line.gateway.send(messages(1))

    assert outcomes(results) == [Outcome.MISCONFIGURED]


@pytest.mark.parametrize("account", SOCKETS)
def test_what_people_write_back_is_heard(account, tmp_path):
    with lines.line_to_carrier(account, tmp_path / "inbox.sqlite3") as line:
        line.gateway.send(messages(1))
        line.hear(1)

        line.server.write_back(REACHABLE, "退订")

        (reply,) = line.hear(1)
    assert (reply.phone, reply.text) == (REACHABLE, "退订")


@pytest.mark.parametrize("account", SOCKETS)
def test_nothing_personal_is_logged(account, tmp_path, caplog):
    caplog.set_level("DEBUG")
    with lines.line_to_carrier(account, tmp_path / "inbox.sqlite3") as line:
        line.gateway.send(messages(1))
        line.hear(1)
        line.server.carrier.faults = Faults(garbage=True)
        line.gateway.send(messages(1))

    assert REACHABLE not in caplog.text
    assert "第1条" not in caplog.text


@pytest.mark.parametrize("account", SOCKETS)
@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x0c", b"\0" * 64, b"HTTP/1.1 400 Bad\r\n"])
def test_a_server_that_speaks_something_else_gets_nothing(account, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _address = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with lines.opened(lines.options_of(account, url=url)) as line:
            results = line.gateway.send(messages(1))
        thread.join()

    assert outcomes(results) == [Outcome.NOT_SENT]


def test_the_simulator_is_the_carrier_of_every_socket_gateway_of_this_machine(tmp_path):
    here = lines.options_of("cmpp3", url=f"tcp://127.0.0.1:{lines.free_port()}")
    elsewhere = lines.options_of("smpp", url="tls://smpp.example:2775")
    over_http = {"dialect": "http_batch", "url": "http://127.0.0.1:1", "secret": "", "rate": 1}
    gateways = {"here": here, "elsewhere": elsewhere, "sms": over_http}
    with lines.carrier_of(here, tmp_path / "inbox.sqlite3") as any_carrier:
        ((name, server),) = carriers_of(gateways, any_carrier.carrier)
        server.open()
        with lines.opened(here, server=server) as line:
            results = line.gateway.send(messages(1))
            until(lambda: line.inbox.count() == 1)
        server.close()

    assert name == "here"
    assert outcomes(results) == [Outcome.ACCEPTED]
