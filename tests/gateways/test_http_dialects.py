"""What every HTTP dialect promises, over real sockets, with faults on demand."""

from __future__ import annotations

import socket

import pytest
from django.core.cache import cache
from django.utils import timezone

from tests.gateways.http_ways import OPTIONS, message, until, way_over
from voting_portal.gateways import DIALECTS, Outcome, http_exchange, pacing
from voting_portal.gateways.protocol import NotFromGateway, Report
from voting_portal.gateways.signing import signed_headers

REACHABLE, UNREACHABLE = "15400000001", "15400000013"
DIALECT_NAMES = sorted(OPTIONS)
SENDS_ONE_BY_ONE = {"alibaba_rcs", "tencent", "botmessage", "openchatbot", "kannel"}
ARRIVED = {Report.DELIVERED, Report.DISPLAYED}


def phones(number):
    """So many phones, all reachable and with cards."""
    return [f"154{tens:07d}1" for tens in range(number)]


def messages(number):
    return [message(str(ref), phone) for ref, phone in enumerate(phones(number), 1)]


def outcomes(results):
    return [result.outcome for result in results]


@pytest.fixture(autouse=True)
def _no_token_of_another_test(settings):
    client = pacing.redis_client(settings.REDIS_URL)
    client.delete("token:botmessage", "token-fetch:botmessage")
    cache.clear()


def over(names):
    return pytest.mark.parametrize("way", names, indirect=True)


@pytest.fixture(params=DIALECT_NAMES)
def way(request, tmp_path):
    with way_over(request.param, tmp_path / "inbox.sqlite3") as way:
        yield way


def test_messages_are_accepted_in_their_order_and_arrive_once_each(way):
    sent = messages(60)

    results = way.gateway.send(sent)

    assert outcomes(results) == [Outcome.ACCEPTED] * 60
    assert [result.ref for result in results] == [m.ref for m in sent]
    names = {way.name(result, m) for result, m in zip(results, sent, strict=True)}
    assert len(names) == 60
    assert sorted(m.phone for m in way.inbox.read(limit=100)) == sorted(phones(60))


@over([name for name in DIALECT_NAMES if name != "openchatbot"])  # which says not why
def test_a_number_that_cannot_be_is_rejected_alone(way):
    wrong, right = message("1", "not a number"), message("2", REACHABLE)

    results = way.gateway.send([right, wrong])

    assert outcomes(results) == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert results[1].reason
    assert [m.phone for m in way.inbox.read()] == [REACHABLE]


def test_the_same_phone_twice_gets_both_messages(way):
    sent = [message("1", REACHABLE), message("2", REACHABLE)]

    results = way.gateway.send(sent)

    assert outcomes(results) == [Outcome.ACCEPTED] * 2
    assert way.name(results[0], sent[0]) != way.name(results[1], sent[1])
    assert way.inbox.count() == 2


def test_too_fast_is_certainly_not_sent_and_goes_through_later(way):
    way.ask(throttle=1)

    first = way.gateway.send(messages(1))
    second = way.gateway.send(messages(1))

    assert outcomes(first) == [Outcome.THROTTLED]
    assert first[0].retry_after == 1.0
    assert outcomes(second) == [Outcome.ACCEPTED]
    assert way.inbox.count() == 1


def test_a_connection_cut_before_the_answer_leaves_it_unknown_and_is_not_tried_again(way):
    way.ask(drop=True)

    results = way.gateway.send(messages(1))

    assert outcomes(results) == [Outcome.UNKNOWN]
    assert way.inbox.count() == 1  # which the portal cannot know


@pytest.mark.parametrize("fault", [{"garbage": True}, {"error": 500}, {"error": 504}])
def test_an_answer_that_says_nothing_leaves_it_unknown(way, fault):
    way.ask(**fault)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.UNKNOWN]


@pytest.mark.parametrize("status", [302, 404])
def test_a_refusal_without_a_reason_is_our_own_fault(way, status):
    way.ask(error=status)

    results = way.gateway.send(messages(1))

    assert outcomes(results) == [Outcome.MISCONFIGURED]
    assert results[0].reason == f"HTTP {status}"


def test_a_silent_carrier_leaves_it_unknown_after_the_timeout(way, monkeypatch):
    way.gateway.send(messages(1))  # so that no token has to be fetched
    monkeypatch.setattr(http_exchange, "TIMEOUT_SECONDS", 0.2)
    way.ask(delay=0.6)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.UNKNOWN]


def test_an_answer_that_trickles_past_the_timeout_leaves_it_unknown(way, monkeypatch):
    way.gateway.send(messages(1))
    monkeypatch.setattr(http_exchange, "TIMEOUT_SECONDS", 0.2)
    way.ask(slow=1.0)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.UNKNOWN]


def test_a_slow_carrier_is_waited_for(way):
    way.ask(delay=0.3, slow=0.1)

    assert outcomes(way.gateway.send(messages(1))) == [Outcome.ACCEPTED]


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_carrier_that_is_not_there_got_nothing(dialect):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        gateway = DIALECTS[dialect](dialect, {"url": url, "rate": 1, **OPTIONS[dialect]})

        results = gateway.send(messages(3))

    assert outcomes(results) == [Outcome.NOT_SENT] * 3


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_wrong_secret_is_our_own_fault_and_sends_nothing(dialect, tmp_path, caplog):
    names = ("password", "access_key_secret", "secret_key", "app_key", "secret")
    wrong = {next(name for name in names if name in OPTIONS[dialect]): "guess"}
    with way_over(dialect, tmp_path / "inbox.sqlite3", **wrong) as way:
        results = way.gateway.send(messages(2))

        expected = Outcome.NOT_SENT if dialect == "botmessage" else Outcome.MISCONFIGURED
        assert outcomes(results) == [expected] * 2
        assert way.inbox.count() == 0
    assert "guess" not in caplog.text


@over([name for name in DIALECT_NAMES if name != "alibaba_card"])  # which reaches all with cards
def test_receipts_say_what_became_of_each(way):
    arrives, does_not = message("1", REACHABLE), message("2", UNREACHABLE)
    results = way.gateway.send([arrives, does_not])

    reports = {}
    until(lambda: reports.update(_reports(way, 1)) or len(reports) == 2)

    assert reports[way.name(results[0], arrives)][0] in {*ARRIVED, Report.NETWORK}
    report, reason = reports[way.name(results[1], does_not)]
    assert report is Report.FAILED
    assert reason


def _reports(way, number):
    return {way.says(line): (line.report, line.reason) for line in way.hear(number)}


def test_receipts_may_come_twice_and_backwards(way):
    way.ask(duplicate_receipts=True, reordered_receipts=True)
    sent = messages(3)
    results = way.gateway.send(sent)
    names = {way.name(result, m) for result, m in zip(results, sent, strict=True)}

    heard = way.hear(6)

    assert {way.says(line) for line in heard} <= names
    assert len(heard) == 6


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{}x", b"null", b'{"a":1}', b"[[]]", b'[{"status":"?"}]', b"\xff", b"7"]
)
def test_a_receipt_that_cannot_be_read_is_refused(way, body):
    headers = dict(_signed(way, body))

    with pytest.raises(NotFromGateway):
        way.gateway.read_receipts(headers, body, now=timezone.now())


def _signed(way, body):
    """Headers that are right for any body."""
    if way.dialect in ("http_batch", "webhook"):
        return signed_headers(way.options["secret"], body, now=timezone.now())
    if way.dialect == "botmessage":
        return way.carrier._signed({}, "").headers
    if way.dialect == "openchatbot":
        return {"Authorization": 'Username="app",Password="app key of the tests"'}
    return {}


def test_nothing_personal_is_logged(way, caplog):
    caplog.set_level("DEBUG")

    way.gateway.send(messages(1))
    way.ask(error=500)
    way.gateway.send(messages(1))

    assert REACHABLE not in caplog.text
    assert "虚构一" not in caplog.text
    assert "vote.example" not in caplog.text


@pytest.mark.parametrize("dialect", sorted(SENDS_ONE_BY_ONE))
def test_when_a_carrier_stops_answering_the_rest_is_not_even_tried(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3", lines=1) as way:
        way.ask(drop=True)

        results = way.gateway.send(messages(6))

        unknown = http_exchange.UNANSWERED_IN_A_BATCH
        expected = [Outcome.UNKNOWN] * unknown + [Outcome.NOT_SENT] * (6 - unknown)
        assert outcomes(results) == expected
        assert way.inbox.count() == unknown


@pytest.mark.parametrize("dialect", sorted(SENDS_ONE_BY_ONE))
def test_when_a_carrier_throttles_the_rest_of_the_batch_waits(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3", lines=1) as way:
        way.gateway.send(messages(1))
        way.ask(throttle=1)

        results = way.gateway.send(messages(4)[1:])

        assert outcomes(results) == [Outcome.THROTTLED] * 3
        assert way.inbox.count() == 1
