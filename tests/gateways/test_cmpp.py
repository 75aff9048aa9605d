"""CMPP octet by octet: what the specification and other implementations agree on."""

from __future__ import annotations

from datetime import datetime

import pytest

from voting_portal.gateways import Message, Outcome, cmpp
from voting_portal.gateways.cmpp import CONNECT, DELIVER, SUBMIT, VERSIONS, Cmpp
from voting_portal.gateways.dialect import LoginRefused, Request, Unsendable
from voting_portal.gateways.protocol import ReceiptLine, Reply, Report
from voting_portal.gateways.wire import IS_ANSWER, Header, Malformed, Pdu

OPTIONS = {"sp_id": "900001", "secret": "888888", "src_id": "10690001"}
LOGIN_AT = datetime(2026, 11, 22, 10, 5, 0)  # noqa: DTZ001 - the digits are what is signed
OURS = bytes.fromhex("e8b3d3d7eae9778ac1000c9fccfbc3bd")
PHONE = "15400000001"

both = pytest.mark.parametrize("version", ["2.0", "3.0"])


def dialect(version="3.0", **options):
    return Cmpp({**OPTIONS, "version": version, **options})


def deliver(version, **fields):
    return Pdu(DELIVER, 7, VERSIONS[version].deliver.pack(**fields))


def test_the_login_is_the_one_that_other_implementations_make():
    login = dialect().login(LOGIN_AT)

    written = Header().pack(Pdu(login.command, 1, login.body))

    assert written.hex() == (
        "000000270000000100000001393030303031e8b3d3d7eae9778ac1000c9fccfbc3bd3042e1e514"
    )


@pytest.mark.parametrize(
    ("version", "proof"),
    [("3.0", "6e5cfbcedc5ba3431e62d75dfbf91786"), ("2.0", "2958733a61cbd6b045a47a1fa57caff6")],
)
def test_the_carriers_proof_is_over_a_status_of_four_octets_or_one(version, proof):
    assert cmpp.carrier_authenticator(VERSIONS[version], 0, OURS, b"888888").hex() == proof


@both
def test_a_carrier_that_does_not_know_the_secret_is_refused_when_we_are_strict(version, caplog):
    login = dialect(version).login(LOGIN_AT)
    body = VERSIONS[version].connect_answer.pack(authenticator=b"?" * 16, version=0x30)
    answer = Pdu(CONNECT | IS_ANSWER, 1, body)

    dialect(version).check_login(login, answer)

    assert "authenticator" in caplog.text
    with pytest.raises(LoginRefused):
        dialect(version, strict=True).check_login(login, answer)


@both
def test_a_refused_login_says_its_status(version):
    body = VERSIONS[version].connect_answer.pack(status=3)

    with pytest.raises(LoginRefused, match="CONNECT 3"):
        dialect(version).check_login(Request(CONNECT), Pdu(CONNECT | IS_ANSWER, 1, body))


@pytest.mark.parametrize(
    ("version", "connect_answer", "submit"),
    [("2.0", 30, 12 + 117 + 21 + 1 + 10 + 8), ("3.0", 33, 12 + 129 + 32 + 1 + 1 + 10 + 20)],
)
def test_the_pdus_are_as_long_as_the_tables_of_their_version_say(version, connect_answer, submit):
    (request,) = dialect(version).submits(Message("1", PHONE, "一二三四五"))

    assert 12 + len(VERSIONS[version].connect_answer.pack()) == connect_answer
    assert 12 + len(request.body) == submit


@both
def test_a_submit_asks_for_a_report_and_lets_us_pay(version):
    (request,) = dialect(version, service_id="VOTE").submits(Message("1", "+86" + PHONE, "票"))

    said = VERSIONS[version].submit.read(request.body)
    assert request.command == SUBMIT
    assert (said["registered_delivery"], said["fee_user_type"], said["fee_type"]) == (1, 2, "01")
    assert (said["msg_fmt"], said["content"]) == (8, bytes.fromhex("7968"))
    assert (said["msg_src"], said["src_id"]) == ("900001", "10690001")
    assert (said["service_id"], said["dest_terminal_id"]) == ("VOTE", "86" + PHONE)
    assert (said["pk_total"], said["pk_number"], said["tp_udhi"]) == (1, 1, 0)


@both
def test_a_long_message_is_cut_into_parts_of_67_that_say_which_they_are(version):
    requests = dialect(version).submits(Message("1", PHONE, "股" * 71))

    parts = [VERSIONS[version].submit.read(request.body) for request in requests]
    assert [(part["pk_number"], part["pk_total"]) for part in parts] == [(1, 2), (2, 2)]
    assert [len(part["content"]) for part in parts] == [6 + 134, 6 + 8]
    assert [part["content"][:3].hex() for part in parts] == ["050003", "050003"]
    assert [part["content"][4:6].hex() for part in parts] == ["0201", "0202"]
    assert parts[0]["content"][3] == parts[1]["content"][3]
    assert {part["tp_udhi"] for part in parts} == {1}


def test_no_character_is_cut_in_two():
    requests = dialect().submits(Message("1", PHONE, "股" * 66 + "𠮷" + "股" * 10))

    first, second = [VERSIONS["3.0"].submit.read(r.body)["content"][6:] for r in requests]
    assert first.decode("utf-16-be") == "股" * 66
    assert second.decode("utf-16-be") == "𠮷" + "股" * 10


@pytest.mark.parametrize(
    "phone", ["", "1", "not a number", "15400000001 ", "1" * 21, "１５４０００００００１"]
)
def test_what_is_no_number_is_not_put_into_a_pdu(phone):
    with pytest.raises(Unsendable, match="BAD_NUMBER"):
        dialect().submits(Message("1", phone, "x"))


def test_a_text_of_more_parts_than_can_be_counted_is_not_sent():
    with pytest.raises(Unsendable, match="TOO_LONG"):
        dialect().submits(Message("1", PHONE, "股" * 17_086))


def test_half_a_character_does_not_stop_a_message():
    (request,) = dialect().submits(Message("1", PHONE, "x\ud800"))

    assert VERSIONS["3.0"].submit.read(request.body)["content"] == b"\0x\0?"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (0, Outcome.ACCEPTED),
        (8, Outcome.THROTTLED),
        (13, Outcome.REJECTED),
        (3, Outcome.UNKNOWN),
        (10, Outcome.MISCONFIGURED),
        (255, Outcome.REJECTED),
    ],
)
@both
def test_each_result_means_one_thing(version, result, outcome):
    msg_id = bytes.fromhex("b2b9da8000010000")
    body = VERSIONS[version].submit_answer.pack(msg_id=msg_id, result=result)

    verdict = dialect(version).verdict(Pdu(SUBMIT | IS_ANSWER, 1, body))

    assert verdict.outcome is outcome
    assert verdict.gateway_ref == ("b2b9da8000010000" if result == 0 else "")
    assert verdict.reason == ("" if result == 0 else f"SUBMIT {result}")


@pytest.mark.parametrize("octets", [60, 71])
@both
def test_reports_of_either_length_are_read_in_either_version(version, octets):
    report = cmpp.REPORTS[octets].pack(
        msg_id=bytes.fromhex("b2b9da8000010000"), stat="DELIVRD", dest_terminal_id=PHONE
    )
    assert len(report) == octets

    heard = dialect(version).hear(deliver(version, registered_delivery=1, content=report))

    assert heard.lines == [
        ReceiptLine("", Report.DELIVERED, "", gateway_ref="b2b9da8000010000", phone=PHONE)
    ]
    assert heard.answer
    assert heard.answer.command == DELIVER | IS_ANSWER


@pytest.mark.parametrize(
    ("stat", "report"),
    [
        ("DELIVRD", Report.DELIVERED),
        ("ACCEPTD", Report.NETWORK),
        ("UNKNOWN", Report.NETWORK),
        ("EXPIRED", Report.UNREACHED),
        ("UNDELIV", Report.FAILED),
        ("MK:0001", Report.FAILED),
    ],
)
def test_each_state_means_one_thing(stat, report):
    content = cmpp.REPORTS[71].pack(stat=stat)

    (line,) = dialect().hear(deliver("3.0", registered_delivery=1, content=content)).lines

    assert line.report is report
    assert line.reason == ("" if report is Report.DELIVERED else stat)


@both
@pytest.mark.parametrize(
    ("coding", "octets"),
    [(8, "退订".encode("utf-16-be")), (15, "退订".encode("gb18030")), (0, b"TD")],
)
def test_what_people_write_is_read_in_every_coding(version, coding, octets):
    heard = dialect(version).hear(
        deliver(version, src_terminal_id=PHONE, msg_fmt=coding, content=octets)
    )

    (reply,) = heard.lines
    assert isinstance(reply, Reply)
    assert (reply.phone, reply.text) == (PHONE, "TD" if coding == 0 else "退订")


def test_a_report_of_another_length_is_garbage():
    with pytest.raises(Malformed, match="59"):
        dialect().hear(deliver("3.0", registered_delivery=1, content=b"x" * 59))


def test_an_option_that_fits_no_field_is_named_at_the_start():
    with pytest.raises(ValueError, match="msg_src"):
        dialect(sp_id="9000012")


def test_the_carriers_test_is_answered_and_its_goodbye_too():
    test, goodbye = dialect().hear(Pdu(8, 5)), dialect().hear(Pdu(2, 6))

    assert test.answer
    assert test.answer.command == 0x80000008
    assert not test.is_end
    assert goodbye.answer
    assert goodbye.answer.command == 0x80000002
    assert goodbye.is_end
