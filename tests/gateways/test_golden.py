"""Whole PDUs octet by octet, in the order of the specifications' tables, without our own tables."""

from __future__ import annotations

import pytest

from tests.gateways.lines import ACCOUNTS
from voting_portal.gateways import Message
from voting_portal.gateways.protocol import Report
from voting_portal.gateways.sockets import SOCKET_DIALECTS
from voting_portal.gateways.wire import Pdu

PHONE = "15400000001"
MSG_ID = bytes.fromhex("b2b9da8000010000")
SUBMITTED_AS = bytes.fromhex("00000bc2 42e1e514 00000007")  # node, month to second, number
SEQUENCE = bytes.fromhex("00000001 42e1e514 00000009")


def text(said, octets):
    return said.encode().ljust(octets, b"\0")


def octets(*parts):
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)


def pdu(command, sequence, *body):
    """Length, command and sequence number before the body, as all four have it."""
    rest = octets(command, sequence, *body)
    return (len(rest) + 4).to_bytes(4) + rest


def cmpp_submit(*, phone_octets, terminal_type, end):
    return pdu(
        *("00000004", "00000007"),
        bytes(8),  # Msg_Id
        "01 01 01 00",  # Pk_total, Pk_number, Registered_Delivery, Msg_level
        bytes(10),  # Service_Id
        *("02", bytes(phone_octets), terminal_type),  # Fee_UserType, Fee_terminal_Id and type
        "00 00 08",  # TP_pId, TP_udhi, Msg_Fmt
        *(b"900001", b"01", bytes(6)),  # Msg_src, FeeType, FeeCode
        *(bytes(17), bytes(17)),  # ValId_Time, At_Time
        text("10690001", 21),  # Src_Id
        *("01", text(PHONE, phone_octets), terminal_type),  # DestUsr_tl, Dest_terminal_Id and type
        *("02", "7968", bytes(end)),  # Msg_Length, Msg_Content, Reserve or LinkID
    )


SUBMITS = {
    "cmpp2": cmpp_submit(phone_octets=21, terminal_type="", end=8),
    "cmpp3": cmpp_submit(phone_octets=32, terminal_type="00", end=20),
    "smgp": pdu(
        *("00000002", "00000007"),
        "06 01 01",  # MsgType, NeedReport, Priority
        *(bytes(10), b"00", bytes(6), bytes(6)),  # ServiceID, FeeType, FeeCode, FixedFee
        *("08", bytes(17), bytes(17)),  # MsgFormat, ValidTime, AtTime
        *(text("10690001", 21), bytes(21)),  # SrcTermID, ChargeTermID
        *("01", text(PHONE, 21)),  # DestTermIDCount, DestTermID
        *("02", "7968", bytes(8)),  # MsgLength, MsgContent, Reserve
    ),
    "sgip": pdu(
        *("00000003", SEQUENCE),
        *(text("10690001", 21), b"0" * 21),  # SPNumber, ChargeNumber: we pay
        *("01", text("86" + PHONE, 21)),  # UserCount, UserNumber
        *(b"00001", bytes(10)),  # CorpId, ServiceType
        *("00", text("0", 6), text("0", 6)),  # FeeType, FeeValue, GivenValue
        "00 02 00",  # AgentFlag, MorelatetoMTFlag, Priority
        *(bytes(16), bytes(16)),  # ExpireTime, ScheduleTime
        "01 00 00 08 00",  # ReportFlag, TP_pid, TP_udhi, MessageCoding, MessageType
        *("00000002", "7968", bytes(8)),  # MessageLength, MessageContent, Reserve
    ),
}


def cmpp_report(*, phone_octets, terminal_type, end):
    content = octets(
        *(MSG_ID, b"DELIVRD", b"2611050930", b"2611050931", text(PHONE, phone_octets)),
        "00000001",  # SMSC_sequence
    )
    return pdu(
        *("00000005", "00000007"),
        *(bytes(8), text("10690001", 21), bytes(10)),  # Msg_Id, Dest_Id, Service_Id
        "00 00 00",  # TP_pid, TP_udhi, Msg_Fmt
        *(text(PHONE, phone_octets), terminal_type),  # Src_terminal_Id and type
        "01",  # Registered_Delivery: a report
        *(bytes([len(content)]), content, bytes(end)),
    )


SMGP_ID = bytes.fromhex("73746174 3a0a 2000 ff01")
SMGP_REPORT = (
    b"id:" + SMGP_ID + b" sub:001 dlvrd:001 submit date:2611050930 done date:2611050931"
    b" stat:DELIVRD err:000 text:" + b" " * 20
)
REPORTS = {
    "cmpp2": (cmpp_report(phone_octets=21, terminal_type="", end=8), MSG_ID),
    "cmpp3": (cmpp_report(phone_octets=32, terminal_type="00", end=20), MSG_ID),
    "smgp": (
        pdu(
            *("00000003", "00000007"),
            *(bytes(10), "01 00", b"20261105093100"),  # MsgID, IsReport, MsgFormat, RecvTime
            *(text(PHONE, 21), text("10690001", 21)),  # SrcTermID, DestTermID
            *(bytes([len(SMGP_REPORT)]), SMGP_REPORT, bytes(8)),
        ),
        SMGP_ID,
    ),
    "sgip": (
        pdu(
            *("00000005", SEQUENCE),
            *(
                SUBMITTED_AS,
                "00",
                text("86" + PHONE, 21),
            ),  # of which submit, ReportType, UserNumber
            *("00 00", bytes(8)),  # State, ErrorCode, Reserve
        ),
        SUBMITTED_AS,
    ),
}


def dialect_of(account):
    options = {**ACCOUNTS[account], "listen": "127.0.0.1:1"}
    return SOCKET_DIALECTS[options["dialect"]](options)


@pytest.mark.parametrize("account", SUBMITS)
def test_a_submit_is_written_octet_by_octet_as_specified(account):
    dialect = dialect_of(account)

    (request,) = dialect.submits(Message("1", PHONE, "票"))

    sequence = SEQUENCE if account == "sgip" else 7
    assert dialect.header.pack(Pdu(request.command, sequence, request.body)) == SUBMITS[account]


@pytest.mark.parametrize("account", REPORTS)
def test_a_report_as_specified_names_its_message_and_is_answered(account):
    dialect = dialect_of(account)
    frame, ref = REPORTS[account]

    heard = dialect.hear(dialect.header.read(frame))

    (line,) = heard.lines
    assert (line.gateway_ref, line.report) == (ref.hex(), Report.DELIVERED)
    assert heard.answer is not None


@pytest.mark.parametrize(
    ("account", "octets_of_report"), [("cmpp2", 60), ("cmpp3", 71), ("smgp", 122)]
)
def test_a_report_is_as_long_as_the_specification_says(account, octets_of_report):
    frame, ref = REPORTS[account]

    end = 20 if account == "cmpp3" else 8
    assert frame[-end - octets_of_report - 1] == octets_of_report
    assert ref in frame[-end - octets_of_report :]
