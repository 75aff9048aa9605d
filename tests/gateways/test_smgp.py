"""SMGP octet by octet."""

from __future__ import annotations

import hashlib
from datetime import datetime

import pytest

from voting_portal.gateways import Message, Outcome, smgp
from voting_portal.gateways.dialect import LoginRefused, Request
from voting_portal.gateways.protocol import ReceiptLine, Reply, Report
from voting_portal.gateways.smgp import SUBMIT, SUBMIT_BODY, Smgp
from voting_portal.gateways.wire import IS_ANSWER, Malformed, Pdu, read_parameters

OPTIONS = {"client_id": "9001", "secret": "888888", "src_id": "10690001"}
LOGIN_AT = datetime(2026, 11, 22, 10, 5, 0)  # noqa: DTZ001 - the digits are what is signed
PHONE = "15400000001"
# Octets that would be taken for text, a separator and an end of line.
MSG_ID = bytes.fromhex("73746174 3a0a 2000 ff01")


def deliver(**fields):
    return Pdu(smgp.DELIVER, 7, smgp.DELIVER_BODY.pack(msg_id=b"1" * 10, **fields))


def report(stat, *, err="000", msg_id=MSG_ID):
    text = " sub:001 dlvrd:001 submit date:2611221005 done date:2611221006 stat:"
    return b"id:" + msg_id + f"{text}{stat} err:{err} text:{'':20}".encode()


def test_the_login_signs_the_account_as_it_is_and_seven_zeros():
    login = Smgp(OPTIONS).login(LOGIN_AT)

    said = smgp.LOGIN_BODY.read(login.body)
    signed = b"9001" + bytes(7) + b"888888" + b"1122100500"
    assert said["authenticator"] == hashlib.md5(signed).digest()
    assert (said["client_id"], said["timestamp"]) == ("9001", 1122100500)
    assert (said["login_mode"], said["version"]) == (2, 0x30)


def test_a_refused_login_says_its_status():
    answer = Pdu(smgp.LOGIN | IS_ANSWER, 1, smgp.LOGIN_ANSWER.pack(status=21))

    with pytest.raises(LoginRefused, match="Login 21"):
        Smgp(OPTIONS).check_login(Request(1), answer)


def test_a_long_message_says_so_in_optional_parameters():
    requests = Smgp(OPTIONS).submits(Message("1", PHONE, "股" * 71))

    parts = [SUBMIT_BODY.read(request.body) for request in requests]
    assert [read_parameters(part["parameters"]) for part in parts] == [
        {2: b"\1", 9: b"\2", 10: b"\1"},
        {2: b"\1", 9: b"\2", 10: b"\2"},
    ]
    assert [part["content"][4:6].hex() for part in parts] == ["0201", "0202"]


def test_a_short_message_has_no_optional_parameters():
    (request,) = Smgp(OPTIONS).submits(Message("1", PHONE, "票"))

    said = SUBMIT_BODY.read(request.body)
    assert (said["msg_type"], said["need_report"], said["msg_format"]) == (6, 1, 8)
    assert (said["dest_term_id"], said["parameters"]) == (PHONE, b"")
    # The fields of the specification with one number and two octets of text.
    assert (
        len(request.body) == 1 + 1 + 1 + 10 + 2 + 6 + 6 + 1 + 17 + 17 + 21 + 21 + 1 + 21 + 1 + 2 + 8
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, Outcome.ACCEPTED),
        (1, Outcome.THROTTLED),
        (75, Outcome.THROTTLED),
        (12, Outcome.UNKNOWN),
        (47, Outcome.REJECTED),
        (74, Outcome.MISCONFIGURED),
        (76, Outcome.MISCONFIGURED),
    ],
)
def test_each_status_means_one_thing(status, outcome):
    body = smgp.SUBMIT_ANSWER.pack(msg_id=MSG_ID, status=status)

    verdict = Smgp(OPTIONS).verdict(Pdu(SUBMIT | IS_ANSWER, 1, body))

    assert verdict.outcome is outcome
    assert verdict.gateway_ref == (MSG_ID.hex() if status == 0 else "")


@pytest.mark.parametrize(
    ("stat", "err", "said", "reason"),
    [
        ("DELIVRD", "000", Report.DELIVERED, ""),
        ("EXPIRED", "001", Report.UNREACHED, "EXPIRED 001"),
        ("UNDELIV", "999", Report.FAILED, "UNDELIV 999"),
    ],
)
def test_the_id_in_a_report_may_be_any_ten_octets(stat, err, said, reason):
    heard = Smgp(OPTIONS).hear(
        deliver(is_report=1, src_term_id=PHONE, content=report(stat, err=err))
    )

    assert heard.lines == [ReceiptLine("", said, reason, gateway_ref=MSG_ID.hex(), phone=PHONE)]
    assert heard.answer
    assert heard.answer.command == smgp.DELIVER | IS_ANSWER


def test_a_report_without_an_id_is_garbage():
    with pytest.raises(Malformed, match="id"):
        Smgp(OPTIONS).hear(deliver(is_report=1, content=b"stat:DELIVRD"))


def test_what_people_write_is_read():
    heard = Smgp(OPTIONS).hear(
        deliver(src_term_id=PHONE, msg_format=15, content="退订".encode("gb18030"))
    )

    assert heard.lines == [Reply(PHONE, "退订")]
