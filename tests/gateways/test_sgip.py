"""SGIP octet by octet, and the connections that the carrier makes to us."""

from __future__ import annotations

import itertools
import socket
import struct

import pytest

from tests.gateways import lines
from tests.gateways.lines import until
from voting_portal.gateways import Message, Outcome, sgip
from voting_portal.gateways.dialect import LoginRefused, Request
from voting_portal.gateways.protocol import ReceiptLine, Reply, Report
from voting_portal.gateways.sgip import REPORT, SUBMIT, SUBMIT_BODY, Sgip, SgipHeader
from voting_portal.gateways.wire import IS_ANSWER, Pdu

OPTIONS = {**lines.ACCOUNTS["sgip"], "listen": "127.0.0.1:0"}
PHONE = "15400000001"
SEQUENCE = struct.pack(">III", 3010, 1122100500, 7)


def login(*, login_type=2, name="vote", password="pw"):
    body = sgip.BIND_BODY.pack(login_type=login_type, login_name=name, login_password=password)
    return SgipHeader().pack(Pdu(sgip.BIND, SEQUENCE, body))


def report(**fields):
    body = sgip.REPORT_BODY.pack(submit_sequence=SEQUENCE, user_number="86" + PHONE, **fields)
    return Pdu(REPORT, SEQUENCE, body)


def test_a_header_has_twenty_octets_and_a_sequence_of_three_numbers():
    written = SgipHeader().pack(Pdu(sgip.UNBIND, SEQUENCE))

    assert written.hex() == "0000001400000002" + "00000bc2" + "42e1e514" + "00000007"
    assert SgipHeader().read(written) == Pdu(sgip.UNBIND, SEQUENCE)


def test_sequences_begin_with_our_node_and_never_repeat_over_links_and_processes():
    dialect, restarted = Sgip(OPTIONS), Sgip(OPTIONS)

    drawn = [
        sequence
        for numbers in (dialect.sequences(), dialect.sequences(), restarted.sequences())
        for sequence in itertools.islice(numbers, 1_000)
    ]

    assert len(set(drawn)) == 3_000
    assert {sequence[:4] for sequence in drawn} == {struct.pack(">I", 3010)}


def test_a_submit_names_the_country_and_lets_us_pay():
    (request,) = Sgip(OPTIONS).submits(Message("1", PHONE, "票"))

    said = SUBMIT_BODY.read(request.body)
    assert (said["user_number"], said["user_count"]) == ("86" + PHONE, 1)
    assert (said["charge_number"], said["report_flag"]) == ("0" * 21, 1)
    assert (said["message_coding"], said["content"]) == (8, bytes.fromhex("7968"))
    fixed = 21 + 21 + 1 + 21 + 5 + 10 + 1 + 6 + 6 + 3 + 16 + 16 + 5 + 4 + 8
    assert len(request.body) == fixed + 2


def test_a_refused_login_says_its_result():
    with pytest.raises(LoginRefused, match="Bind 1"):
        Sgip(OPTIONS).check_login(
            Request(1), Pdu(1 | IS_ANSWER, SEQUENCE, sgip.ANSWER.pack(result=1))
        )


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (0, Outcome.ACCEPTED),
        (11, Outcome.THROTTLED),
        (6, Outcome.REJECTED),
        (9, Outcome.UNKNOWN),
        (5, Outcome.MISCONFIGURED),
    ],
)
def test_each_result_means_one_thing_and_the_message_is_named_by_our_sequence(result, outcome):
    answer = Pdu(SUBMIT | IS_ANSWER, SEQUENCE, sgip.ANSWER.pack(result=result))

    verdict = Sgip(OPTIONS).verdict(answer)

    assert verdict.outcome is outcome
    assert verdict.gateway_ref == (SEQUENCE.hex() if result == 0 else "")


@pytest.mark.parametrize(
    ("state", "code", "said", "reason"),
    [
        (0, 0, Report.DELIVERED, ""),
        (1, 0, Report.NETWORK, "ACCEPTD 0"),
        (2, 29, Report.FAILED, "UNDELIV 29"),
        (2, 25, Report.UNREACHED, "EXPIRED 25"),
        (9, 0, Report.NETWORK, "UNKNOWN 0"),
    ],
)
def test_a_report_names_the_submit(state, code, said, reason):
    heard = Sgip(OPTIONS).hear(report(state=state, error_code=code))

    assert heard.lines == [ReceiptLine("", said, reason, gateway_ref=SEQUENCE.hex(), phone=PHONE)]


def test_what_people_write_is_read_without_the_country():
    body = sgip.DELIVER_BODY.pack(
        user_number="86" + PHONE, message_coding=15, content="退订".encode("gb18030")
    )

    heard = Sgip(OPTIONS).hear(Pdu(sgip.DELIVER, SEQUENCE, body))

    assert heard.lines == [Reply(PHONE, "退订")]


@pytest.fixture
def listening():
    """An account without a carrier that listens for reports."""
    options = lines.options_of("sgip", url=lines.NOBODY)
    with lines.opened(options) as line:
        yield line


def exchange(line, *requests):
    """Say this to the listening socket; all that it answers until it hangs up or is silent."""
    with socket.create_connection(("127.0.0.1", line.account.listens_at), timeout=0.3) as carrier:
        carrier.sendall(b"".join(requests))
        heard = b""
        while True:
            try:
                octets = carrier.recv(4_096)
            except TimeoutError:
                return heard, False
            except ConnectionResetError:
                return heard, True
            if not octets:
                return heard, True
            heard += octets


def test_a_carrier_that_logs_in_is_heard_and_answered(listening):
    heard, is_over = exchange(listening, login(), SgipHeader().pack(report()))

    first, second = SgipHeader().read(heard[:29]), SgipHeader().read(heard[29:])
    assert (first.command, first.body[0]) == (sgip.BIND | IS_ANSWER, 0)
    assert (second.command, second.body[0]) == (REPORT | IS_ANSWER, 0)
    assert not is_over
    (line,) = listening.hear(1)
    assert line.gateway_ref == SEQUENCE.hex()


@pytest.mark.parametrize(
    "stranger",
    [
        {"password": "guess"},
        {"name": "somebody"},
        {"login_type": 1},
        {"name": "vote\0p", "password": "w"},
    ],
)
def test_a_stranger_is_refused_and_not_listened_to(listening, stranger):
    heard, is_over = exchange(listening, login(**stranger), SgipHeader().pack(report()))

    assert SgipHeader().read(heard[:29]).body[0] in (1, 4)
    assert is_over
    assert listening.silence() == []


def test_a_report_before_the_login_ends_the_connection(listening):
    heard, is_over = exchange(listening, SgipHeader().pack(report()))

    assert (heard, is_over) == (b"", True)
    assert listening.silence() == []


def test_a_message_without_an_answer_can_still_be_named_by_its_report(tmp_path):
    with lines.line_to_carrier("sgip", tmp_path / "inbox.sqlite3") as line:
        line.server.carrier.faults = type(line.server.carrier.faults)(drop=True)

        (result,) = line.gateway.send([Message("1", PHONE, "票")])

        (receipt,) = line.hear(1)
    assert result.outcome is Outcome.UNKNOWN
    assert result.refs == (receipt.gateway_ref,)


def test_a_link_that_idles_is_closed_and_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Sgip, "probe_seconds", 0.1)
    with lines.line_to_carrier("sgip", tmp_path / "inbox.sqlite3") as line:
        first = line.gateway.send([Message("1", PHONE, "一")])
        until(lambda: line.account.ready_links == 0)

        second = line.gateway.send([Message("2", PHONE, "二")])

    assert [r.outcome for r in first + second] == [Outcome.ACCEPTED] * 2
