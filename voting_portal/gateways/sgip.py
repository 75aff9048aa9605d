"""SGIP 1.2, the dialect of China Unicom (中国联通).

The account is client for what it sends and server for reports and replies: the carrier connects to
`listen`, an address of ours, and logs in there, too. There is no active test; a link that idles is
closed. A receipt names the sequence number of our submit, so these numbers never repeat.

Options besides those of every link: `node` (our node number), `login`, `password`, `corp_id`,
`src_id` (the number that phones show), `listen` ("address:port"), and if need be `service_type`,
and `carrier_login` and `carrier_password`, by which the carrier logs in at `listen`.
"""

from __future__ import annotations

import hmac
import itertools
import secrets
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

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
    raw,
    text,
)

BIND, UNBIND, SUBMIT, DELIVER, REPORT = 1, 2, 3, 4, 5
FROM_US, FROM_CARRIER = 1, 2  # who logs in
UCS2, ALWAYS_REPORT = 8, 1

BIND_BODY = Layout(login_type=U8, login_name=text(16), login_password=text(16), reserve=text(8))
ANSWER = Layout(result=U8, reserve=text(8))
SUBMIT_BODY = Layout(
    sp_number=text(21),
    charge_number=text(21),
    user_count=U8,
    user_number=text(21),
    corp_id=text(5),
    service_type=text(10),
    fee_type=U8,
    fee_value=text(6),
    given_value=text(6),
    agent_flag=U8,
    more_late_to_mt_flag=U8,
    priority=U8,
    expire_time=text(16),
    schedule_time=text(16),
    report_flag=U8,
    tp_pid=U8,
    tp_udhi=U8,
    message_coding=U8,
    message_type=U8,
    content=Counted(4),
    reserve=text(8),
)
DELIVER_BODY = Layout(
    user_number=text(21),
    sp_number=text(21),
    tp_pid=U8,
    tp_udhi=U8,
    message_coding=U8,
    content=Counted(4),
    reserve=text(8),
)
REPORT_BODY = Layout(
    submit_sequence=raw(12),
    report_type=U8,
    user_number=text(21),
    state=U8,
    error_code=U8,
    reserve=text(8),
)
STATES = {0: "DELIVRD", 1: "ACCEPTD", 2: "UNDELIV"}
PHONE_OFF, PHONE_FULL = 25, 26  # another message may well arrive

_OUTCOMES = {
    0: Outcome.ACCEPTED,
    11: Outcome.THROTTLED,  # the node is busy
    3: Outcome.THROTTLED,  # too many connections
    6: Outcome.REJECTED,  # the number
    9: Outcome.UNKNOWN,  # a sequence number that was used: it may be that the message is there
    **dict.fromkeys((1, 2, 4, 5, 7, 8, 10, 12), Outcome.MISCONFIGURED),
}


class SgipHeader(Header):
    """Whose sequence is of three numbers: node, time and count; kept as their twelve octets."""

    octets = 20

    def pack(self, pdu: Pdu) -> bytes:
        length = self.octets + len(pdu.body)
        return struct.pack(">II12s", length, pdu.command, pdu.sequence) + pdu.body

    def read(self, frame: bytes) -> Pdu:
        _length, command, sequence = struct.unpack_from(">II12s", frame)
        return Pdu(command, sequence, frame[self.octets :])


class Sgip(Dialect):
    header = SgipHeader()
    probe_seconds = 30.0  # of silence, after which a link is closed
    keeps_open = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._node = int(options["node"])
        self._login = BIND_BODY.pack(
            login_type=FROM_US,
            login_name=str(options["login"]),
            login_password=str(options["password"]),
        )
        self._corp_id = str(options["corp_id"])
        self._src_id = str(options["src_id"])
        self._service_type = str(options.get("service_type", ""))
        self._carrier_login = (
            str(options.get("carrier_login", options["login"])),
            str(options.get("carrier_password", options["password"])),
        )
        # Two processes in the same second count from different places.
        self._count = itertools.count(secrets.randbits(32))
        self._submit(b"", phone="0", is_part=False)  # the options fit their fields

    def sequences(self) -> Iterator[bytes]:
        """Node, MMDDHHMMSS and a count that starts anywhere: unique across links and restarts."""
        for count in self._count:
            moment = int(timezone.localtime().strftime("%m%d%H%M%S"))
            yield struct.pack(">III", self._node, moment, count & 0xFFFF_FFFF)

    def login(self, _now: datetime) -> Request:
        return Request(BIND, self._login)

    def check_login(self, _login: Request, answer: Pdu) -> None:
        if result := ANSWER.read(answer.body)["result"]:
            raise LoginRefused(f"Bind {result}")

    def submits(self, message: Message) -> list[Request]:
        phone = dialect.digits(message.phone, prefix="86")
        contents = dialect.cut(message)
        is_part = len(contents) > 1
        return [
            Request(SUBMIT, self._submit(content, phone=phone, is_part=is_part))
            for content in contents
        ]

    def _submit(self, content: bytes, *, phone: str, is_part: bool) -> bytes:
        return SUBMIT_BODY.pack(
            sp_number=self._src_id,
            charge_number="0" * 21,  # we pay
            user_count=1,
            user_number=phone,
            corp_id=self._corp_id,
            service_type=self._service_type,
            fee_value="0",
            given_value="0",
            more_late_to_mt_flag=2,
            report_flag=ALWAYS_REPORT,
            tp_udhi=int(is_part),
            message_coding=UCS2,
            content=content,
        )

    def verdict(self, answer: Pdu) -> Verdict:
        result = ANSWER.read(answer.body)["result"]
        ref = self.ref_without_answer(answer.sequence) if result == 0 else ""
        outcome = _OUTCOMES.get(result, Outcome.REJECTED)
        return Verdict(outcome, ref, f"Submit {result}" if result else "")

    def ref_without_answer(self, sequence: int | bytes) -> str:
        assert isinstance(sequence, bytes)
        return sequence.hex()

    def hear(self, request: Pdu) -> Heard:
        match request.command:
            case 1:
                return self._hear_bind(request)
            case 2:
                return Heard(Request(UNBIND | IS_ANSWER), is_end=True)
            case 4:
                said = DELIVER_BODY.read(request.body)
                words = dialect.written(
                    said["content"], said["message_coding"], has_header=bool(said["tp_udhi"])
                )
                reply = Reply(phone=said["user_number"].removeprefix("86"), text=words)
                return Heard(Request(DELIVER | IS_ANSWER, ANSWER.pack()), [reply])
            case 5:
                return Heard(Request(REPORT | IS_ANSWER, ANSWER.pack()), [_receipt(request)])
            case unknown:
                raise Malformed(f"command {unknown:#x}")

    def _hear_bind(self, request: Pdu) -> Heard:
        said = BIND_BODY.read(request.body)
        given = f"{said['login_name']}\0{said['login_password']}".encode()
        is_known = hmac.compare_digest(given, "\0".join(self._carrier_login).encode())
        if said["login_type"] != FROM_CARRIER:
            return Heard(Request(BIND | IS_ANSWER, ANSWER.pack(result=4)), is_end=True)
        if not is_known:
            return Heard(Request(BIND | IS_ANSWER, ANSWER.pack(result=1)), is_end=True)
        return Heard(Request(BIND | IS_ANSWER, ANSWER.pack()), is_login=True)

    def probe(self) -> None:
        return None

    def farewell(self) -> Request:
        return Request(UNBIND)


def _receipt(request: Pdu) -> ReceiptLine:
    said = REPORT_BODY.read(request.body)
    state = STATES.get(said["state"], "UNKNOWN")
    if state == "UNDELIV" and said["error_code"] in (PHONE_OFF, PHONE_FULL):
        state = "EXPIRED"
    return dialect.receipt_line(
        said["submit_sequence"].hex(),
        state,
        code=str(said["error_code"]),
        phone=said["user_number"].removeprefix("86"),
    )
