"""SMPP octet by octet."""

from __future__ import annotations

import pytest

from voting_portal.gateways import Message, Outcome, smpp
from voting_portal.gateways.dialect import LoginRefused, Request
from voting_portal.gateways.protocol import ReceiptLine, Reply, Report
from voting_portal.gateways.smpp import SHORT_MESSAGE, SUBMIT_SM, Smpp, SmppHeader
from voting_portal.gateways.wire import IS_ANSWER, Pdu, pack_parameters

OPTIONS = {"system_id": "vote", "password": "pw", "src_id": "10690001"}
PHONE = "15400000001"
RECEIPT = b"id:7f3a sub:001 dlvrd:001 submit date:2611221005 done date:2611221006 "


def deliver(**fields):
    return Pdu(smpp.DELIVER_SM, 7, SHORT_MESSAGE.pack(**fields))


def test_the_login_of_the_specification_is_read_and_written():
    published = bytes.fromhex(
        "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d49543100"
        "00010100"
    )

    pdu = SmppHeader().read(published)
    said = smpp.BIND_BODY.read(pdu.body)

    assert (pdu.command, pdu.status, pdu.sequence) == (2, 0, 1)
    assert (said["system_id"], said["password"]) == ("SMPP3TEST", "secret08")
    assert (said["system_type"], said["addr_ton"], said["addr_npi"]) == ("SUBMIT1", 1, 1)
    assert SmppHeader().pack(pdu) == published
    assert smpp.BIND_BODY.pack(**said) == pdu.body


def test_a_submit_is_this_long_and_no_longer():
    (request,) = Smpp(OPTIONS).submits(Message("1", PHONE, "票"))

    written = SmppHeader().pack(Pdu(request.command, 1, request.body))

    assert written.hex() == (
        "00000036000000040000000000000001"
        "0000013130363930303031000101"
        "313534303030303030303100"
        "000000000001000800027968"
    )


def test_a_long_message_says_so_in_its_class():
    requests = Smpp(OPTIONS).submits(Message("1", PHONE, "股" * 140))

    parts = [SHORT_MESSAGE.read(request.body) for request in requests]
    assert [part["esm_class"] for part in parts] == [0x40] * 3
    assert [part["content"][4:6].hex() for part in parts] == ["0301", "0302", "0303"]
    assert {part["registered_delivery"] for part in parts} == {1}


def test_a_refused_login_says_its_status():
    with pytest.raises(LoginRefused, match="0xe"):
        Smpp(OPTIONS).check_login(Request(9), Pdu(9 | IS_ANSWER, 1, b"", 0x0E))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x58, Outcome.THROTTLED),
        (0x14, Outcome.THROTTLED),
        (0x08, Outcome.THROTTLED),
        (0x0B, Outcome.REJECTED),
        (0x0A, Outcome.MISCONFIGURED),
        (0x0D, Outcome.MISCONFIGURED),
        (0x0E, Outcome.MISCONFIGURED),
        (0x400, Outcome.REJECTED),
    ],
)
def test_each_status_means_one_thing_even_without_a_body(status, outcome):
    verdict = Smpp(OPTIONS).verdict(Pdu(SUBMIT_SM | IS_ANSWER, 1, b"", status))

    assert (verdict.outcome, verdict.gateway_ref) == (outcome, "")


def test_an_accepted_submit_has_the_carriers_id():
    verdict = Smpp(OPTIONS).verdict(Pdu(SUBMIT_SM | IS_ANSWER, 1, b"7f3a\0"))

    assert (verdict.outcome, verdict.gateway_ref) == (Outcome.ACCEPTED, "7f3a")


@pytest.mark.parametrize(
    ("content", "parameters", "line"),
    [
        (RECEIPT + b"stat:DELIVRD err:000 text:x", {}, (Report.DELIVERED, "")),
        (RECEIPT + b"stat:UNDELIV err:045 text:", {}, (Report.FAILED, "UNDELIV 045")),
        (b"id:7f3a stat:REJECTD err:011", {}, (Report.FAILED, "REJECTD 011")),
        (b"id:7f3a submit date:x stat:ENROUTE", {}, (Report.NETWORK, "ENROUTE")),
        (b"", {0x001E: b"7f3a\0", 0x0427: b"\2"}, (Report.DELIVERED, "")),
        (b"", {0x001E: b"7f3a\0", 0x0427: b"\5"}, (Report.FAILED, "UNDELIV")),
        (b"", {0x001E: b"7f3a\0", 0x0427: b"\x63"}, (Report.NETWORK, "UNKNOWN")),
    ],
)
def test_receipts_are_read_from_their_text_or_their_parameters(content, parameters, line):
    heard = Smpp(OPTIONS).hear(
        deliver(
            source=PHONE,
            esm_class=smpp.IS_RECEIPT,
            content=content,
            parameters=pack_parameters(parameters),
        )
    )

    report, reason = line
    assert heard.lines == [ReceiptLine("", report, reason, gateway_ref="7f3a", phone=PHONE)]


def test_what_people_write_is_read_without_its_header():
    words = b"\5\0\3\1\1\1" + "退订".encode("utf-16-be")

    heard = Smpp(OPTIONS).hear(deliver(source=PHONE, esm_class=0x40, data_coding=8, content=words))

    assert heard.lines == [Reply(PHONE, "退订")]


def test_the_test_of_the_link_is_answered_and_an_unknown_command_is_refused_by_name():
    enquiry, unknown = Smpp(OPTIONS).hear(Pdu(0x15, 5)), Smpp(OPTIONS).hear(Pdu(0x103, 6))

    assert enquiry.answer
    assert enquiry.answer.command == 0x80000015
    assert unknown.answer
    assert unknown.answer.command == 0x80000000
    assert unknown.status == 3


@pytest.mark.parametrize(
    ("bases", "taken", "reported"),
    [
        ({"submit_ids": "hex", "receipt_ids": "decimal"}, "7F3A", b"0000032570"),
        ({"submit_ids": "decimal", "receipt_ids": "hex"}, "0000032570", b"7f3a"),
        ({"submit_ids": "hex", "receipt_ids": "hex"}, "00007F3A", b"7f3a"),
        ({}, "7F3A", b"7F3A"),
        ({"submit_ids": "hex", "receipt_ids": "decimal"}, "a-name", b"a-name"),  # of no number
    ],
)
def test_a_name_in_another_base_is_the_same_name(bases, taken, reported):
    dialect = Smpp({**OPTIONS, **bases})
    answer = smpp.SHORT_MESSAGE_ANSWER.pack(message_id=taken.encode())

    verdict = dialect.verdict(Pdu(SUBMIT_SM | IS_ANSWER, 1, answer))
    content = RECEIPT.replace(b"7f3a", reported) + b"stat:DELIVRD err:000 text:"
    heard = dialect.hear(deliver(source=PHONE, esm_class=smpp.IS_RECEIPT, content=content))

    assert [line.gateway_ref for line in heard.lines] == [verdict.gateway_ref]


def test_a_parameter_names_a_message_as_it_was_taken():
    dialect = Smpp({**OPTIONS, "submit_ids": "hex", "receipt_ids": "decimal"})
    named = pack_parameters({smpp.RECEIPTED_MESSAGE_ID: b"7F3A\0"})

    heard = dialect.hear(deliver(source=PHONE, esm_class=smpp.IS_RECEIPT, parameters=named))

    assert [line.gateway_ref for line in heard.lines] == ["32570"]


def test_one_base_without_the_other_is_refused():
    with pytest.raises(ValueError, match="together"):
        Smpp({**OPTIONS, "submit_ids": "hex"})
