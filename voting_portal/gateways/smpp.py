"""SMPP 3.4, which carriers' aggregators and gateways abroad speak.

Options besides those of every link: `system_id`, `password`, `src_id` (the sender that phones
show), and if need be `system_type` and the types of number `src_ton`, `src_npi`,
`dest_ton`, `dest_npi`.

Some carriers name a message in hexadecimal digits when they take it and in decimal ones when they
report on it, or the other way round. `submit_ids` and `receipt_ids`, each `hex` or `decimal`, say
so; then names are compared as numbers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from voting_portal.gateways import dialect
from voting_portal.gateways.dialect import Dialect, Heard, LoginRefused, Request, Verdict
from voting_portal.gateways.protocol import Message, Outcome, ReceiptLine, Reply
from voting_portal.gateways.wire import (
    IS_ANSWER,
    U8,
    Counted,
    Header,
    Layout,
    Malformed,
    Pdu,
    Tail,
    Terminated,
    read_parameters,
)

SUBMIT_SM, DELIVER_SM, UNBIND, BIND_TRANSCEIVER, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x09, 0x15
GENERIC_NACK = 0x8000_0000
UCS2, HAS_USER_HEADER, IS_RECEIPT, FINAL_RECEIPT = 8, 0x40, 0x04, 1
MESSAGE_STATE, RECEIPTED_MESSAGE_ID = 0x0427, 0x001E
WAYS = ("submit_ids", "receipt_ids")
STATES = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")

BIND_BODY = Layout(
    system_id=Terminated(16),
    password=Terminated(9),
    system_type=Terminated(13),
    interface_version=U8,
    addr_ton=U8,
    addr_npi=U8,
    address_range=Terminated(41),
)
BIND_ANSWER = Layout(system_id=Terminated(16), parameters=Tail())
# Of a submit and of a deliver alike.
SHORT_MESSAGE = Layout(
    service_type=Terminated(6),
    source_ton=U8,
    source_npi=U8,
    source=Terminated(21),
    dest_ton=U8,
    dest_npi=U8,
    dest=Terminated(21),
    esm_class=U8,
    protocol_id=U8,
    priority=U8,
    schedule_time=Terminated(17),
    validity_period=Terminated(17),
    registered_delivery=U8,
    replace_if_present=U8,
    data_coding=U8,
    default_message=U8,
    content=Counted(1),
    parameters=Tail(),
)
SHORT_MESSAGE_ANSWER = Layout(message_id=Terminated(65), parameters=Tail())

_OUTCOMES = {
    0x58: Outcome.THROTTLED,
    0x14: Outcome.THROTTLED,  # the carrier's queue is full
    0x08: Outcome.THROTTLED,  # it is out of order just now, and took nothing
    0x0B: Outcome.REJECTED,  # the number
    0x45: Outcome.REJECTED,  # this message
    # Our own faults: a PDU, a field, a command, a state, the sender, a system type, an option.
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0A), Outcome.MISCONFIGURED),
    **dict.fromkeys((0x0D, 0x0E, 0x0F, 0x15, 0x43, 0x48, 0x49, 0x53), Outcome.MISCONFIGURED),
    **dict.fromkeys((0x61, 0x62, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4), Outcome.MISCONFIGURED),
}
BASES = {"hex": 16, "decimal": 10}
_ID = re.compile(rb"id:([^ ]{1,64}) ")


class SmppHeader(Header):
    """With a status between command and sequence."""

    octets = 16

    def pack(self, pdu: Pdu) -> bytes:
        length = self.octets + len(pdu.body)
        return struct.pack(">IIII", length, pdu.command, pdu.status, pdu.sequence) + pdu.body

    def read(self, frame: bytes) -> Pdu:
        _length, command, status, sequence = struct.unpack_from(">IIII", frame)
        return Pdu(command, sequence, frame[self.octets :], status)


class Smpp(Dialect):
    header = SmppHeader()
    probe_seconds = 30.0

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._login = BIND_BODY.pack(
            system_id=str(options["system_id"]),
            password=str(options["password"]),
            system_type=str(options.get("system_type", "")),
            interface_version=0x34,
        )
        self._addresses: dict[str, int | str] = {
            "source": str(options["src_id"]),
            "source_ton": int(options.get("src_ton", 0)),
            "source_npi": int(options.get("src_npi", 1)),
            "dest_ton": int(options.get("dest_ton", 1)),
            "dest_npi": int(options.get("dest_npi", 1)),
        }
        self._bases = [BASES[options[way]] if way in options else 0 for way in WAYS]
        if bool(self._bases[0]) != bool(self._bases[1]):
            raise ValueError(f"{' and '.join(WAYS)} are given together or not at all")
        self._submit(b"", phone="0", is_part=False)  # the options fit their fields

    def login(self, _now: datetime) -> Request:
        return Request(BIND_TRANSCEIVER, self._login)

    def check_login(self, _login: Request, answer: Pdu) -> None:
        if answer.status:
            raise LoginRefused(f"bind {answer.status:#x}")

    def submits(self, message: Message) -> list[Request]:
        phone = dialect.digits(message.phone)
        contents = dialect.cut(message)
        is_part = len(contents) > 1
        return [
            Request(SUBMIT_SM, self._submit(content, phone=phone, is_part=is_part))
            for content in contents
        ]

    def _submit(self, content: bytes, *, phone: str, is_part: bool) -> bytes:
        return SHORT_MESSAGE.pack(
            **self._addresses,
            dest=phone,
            esm_class=HAS_USER_HEADER if is_part else 0,
            registered_delivery=FINAL_RECEIPT,
            data_coding=UCS2,
            content=content,
        )

    def verdict(self, answer: Pdu) -> Verdict:
        if answer.status:
            outcome = _OUTCOMES.get(answer.status, Outcome.REJECTED)
            return Verdict(outcome, reason=f"submit_sm {answer.status:#x}")
        if answer.command == GENERIC_NACK:
            raise Malformed("a nack without an error")
        said = SHORT_MESSAGE_ANSWER.read(answer.body)
        return Verdict(Outcome.ACCEPTED, _number(said["message_id"], self._bases[0]))

    def hear(self, request: Pdu) -> Heard:
        match request.command:
            case 0x05:
                answer = Request(DELIVER_SM | IS_ANSWER, SHORT_MESSAGE_ANSWER.pack())
                return Heard(answer, [self._line(SHORT_MESSAGE.read(request.body))])
            case 0x15:
                return Heard(Request(ENQUIRE_LINK | IS_ANSWER))
            case 0x06:
                return Heard(Request(UNBIND | IS_ANSWER), is_end=True)
            case _:  # a command that is not for us: said so, as the specification wants
                return Heard(Request(GENERIC_NACK), status=0x03)

    def _line(self, said: Mapping[str, Any]) -> ReceiptLine | Reply:
        if said["esm_class"] & 0x3C != IS_RECEIPT:
            has_header = bool(said["esm_class"] & HAS_USER_HEADER)
            words = dialect.written(said["content"], said["data_coding"], has_header=has_header)
            return Reply(phone=said["source"], text=words)
        parameters = read_parameters(said["parameters"])
        named = _ID.search(said["content"])
        if name := parameters.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0"):
            ref = _number(name.decode("ascii", "replace"), self._bases[0])  # as it was submitted
        else:
            written = named[1] if named else b""
            ref = _number(written.decode("ascii", "replace"), self._bases[1])
        state, code = dialect.state_in(said["content"])
        if told := parameters.get(MESSAGE_STATE):
            state = STATES[told[0] - 1] if 0 < told[0] <= len(STATES) else "UNKNOWN"
        return dialect.receipt_line(ref, state, code=code, phone=said["source"])

    def probe(self) -> Request:
        return Request(ENQUIRE_LINK)

    def farewell(self) -> Request:
        return Request(UNBIND)


def _number(name: str, base: int) -> str:
    """A carrier's name of a message as a decimal number; as it is where no base says how to read it
    or it is no such number.
    """
    digits = "0123456789abcdef"[:base]
    if not base or not name or set(name.lower()) - set(digits):
        return name
    return str(int(name, base))
