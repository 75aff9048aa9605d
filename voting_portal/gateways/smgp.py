"""SMGP 3.0.3, the dialect of China Telecom (中国电信).

Options besides those of every link: `client_id`, `secret`, `src_id` (the number that phones show),
and if need be `service_id`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from voting_portal.gateways import dialect
from voting_portal.gateways.dialect import Dialect, Heard, LoginRefused, Request, Verdict
from voting_portal.gateways.protocol import Message, Outcome, ReceiptLine, Reply
from voting_portal.gateways.wire import (
    IS_ANSWER,
    U8,
    U32,
    Counted,
    Layout,
    Malformed,
    Pdu,
    Tail,
    pack_parameters,
    raw,
    read_parameters,
    text,
)

LOGIN, SUBMIT, DELIVER, ACTIVE_TEST, EXIT = 1, 2, 3, 4, 6
UCS2, TO_A_PHONE, BOTH_WAYS = 8, 6, 2
TP_UDHI, PK_TOTAL, PK_NUMBER = 0x0002, 0x0009, 0x000A

LOGIN_BODY = Layout(
    client_id=text(8), authenticator=raw(16), login_mode=U8, timestamp=U32, version=U8
)
LOGIN_ANSWER = Layout(status=U32, authenticator=raw(16), version=U8)
SUBMIT_BODY = Layout(
    msg_type=U8,
    need_report=U8,
    priority=U8,
    service_id=text(10),
    fee_type=text(2),
    fee_code=text(6),
    fixed_fee=text(6),
    msg_format=U8,
    valid_time=text(17),
    at_time=text(17),
    src_term_id=text(21),
    charge_term_id=text(21),
    dest_count=U8,
    dest_term_id=text(21),
    content=Counted(1),
    reserve=text(8),
    parameters=Tail(),
)
SUBMIT_ANSWER = Layout(msg_id=raw(10), status=U32)
DELIVER_BODY = Layout(
    msg_id=raw(10),
    is_report=U8,
    msg_format=U8,
    receive_time=text(14),
    src_term_id=text(21),
    dest_term_id=text(21),
    content=Counted(1),
    reserve=text(8),
    parameters=Tail(),
)
DELIVER_ANSWER = Layout(msg_id=raw(10), status=U32)

_OUTCOMES = {
    0: Outcome.ACCEPTED,
    1: Outcome.THROTTLED,  # the gateway is busy
    2: Outcome.THROTTLED,  # too many connections
    75: Outcome.THROTTLED,  # as much as this account may send in a day
    **dict.fromkeys((10, 11, 20, 21, 22, 74, 76), Outcome.MISCONFIGURED),
    12: Outcome.UNKNOWN,  # a sequence number that was used: it may be that the message is there
}


class Smgp(Dialect):
    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._client_id = str(options["client_id"])
        self._secret = str(options["secret"]).encode()
        self._src_id = str(options["src_id"])
        self._service_id = str(options.get("service_id", ""))
        self._submit(b"", phone="0", part=1, parts=1)  # the options fit their fields

    def login(self, now: datetime) -> Request:
        timestamp = now.strftime("%m%d%H%M%S")
        body = LOGIN_BODY.pack(
            client_id=self._client_id,
            authenticator=authenticator(self._client_id, self._secret, timestamp),
            login_mode=BOTH_WAYS,
            timestamp=int(timestamp),
            version=0x30,
        )
        return Request(LOGIN, body)

    def check_login(self, _login: Request, answer: Pdu) -> None:
        if status := LOGIN_ANSWER.read(answer.body)["status"]:
            raise LoginRefused(f"Login {status}")

    def submits(self, message: Message) -> list[Request]:
        phone = dialect.digits(message.phone)
        contents = dialect.cut(message)
        return [
            Request(SUBMIT, self._submit(content, phone=phone, part=part, parts=len(contents)))
            for part, content in enumerate(contents, 1)
        ]

    def _submit(self, content: bytes, *, phone: str, part: int, parts: int) -> bytes:
        of_a_part = {TP_UDHI: b"\1", PK_TOTAL: bytes([parts]), PK_NUMBER: bytes([part])}
        return SUBMIT_BODY.pack(
            msg_type=TO_A_PHONE,
            need_report=1,
            priority=1,
            service_id=self._service_id,
            fee_type="00",
            msg_format=UCS2,
            src_term_id=self._src_id,
            dest_count=1,
            dest_term_id=phone,
            content=content,
            parameters=pack_parameters(of_a_part) if parts > 1 else b"",
        )

    def verdict(self, answer: Pdu) -> Verdict:
        said = SUBMIT_ANSWER.read(answer.body)
        if said["status"] == 0:
            return Verdict(Outcome.ACCEPTED, said["msg_id"].hex())
        outcome = _OUTCOMES.get(said["status"], Outcome.REJECTED)
        return Verdict(outcome, reason=f"Submit {said['status']}")

    def hear(self, request: Pdu) -> Heard:
        match request.command:
            case 3:
                return self._hear_deliver(request)
            case 4:
                return Heard(Request(ACTIVE_TEST | IS_ANSWER))
            case 6:
                return Heard(Request(EXIT | IS_ANSWER), is_end=True)
            case unknown:
                raise Malformed(f"command {unknown:#x}")

    def _hear_deliver(self, request: Pdu) -> Heard:
        said = DELIVER_BODY.read(request.body)
        line: ReceiptLine | Reply
        if said["is_report"] == 1:
            # `id:` and ten octets that may be anything, so the state is looked for behind them.
            content = said["content"]
            if len(content) < 13 or not content.startswith(b"id:"):
                raise Malformed("a report without an id")
            state, code = dialect.state_in(content[13:])
            line = dialect.receipt_line(
                content[3:13].hex(), state, code=code, phone=said["src_term_id"]
            )
        else:
            has_header = bool(int.from_bytes(read_parameters(said["parameters"]).get(TP_UDHI, b"")))
            words = dialect.written(said["content"], said["msg_format"], has_header=has_header)
            line = Reply(phone=said["src_term_id"], text=words)
        answer = DELIVER_ANSWER.pack(msg_id=said["msg_id"])
        return Heard(Request(DELIVER | IS_ANSWER, answer), [line])

    def probe(self) -> Request:
        return Request(ACTIVE_TEST)

    def farewell(self) -> Request:
        return Request(EXIT)


def authenticator(client_id: str, secret: bytes, timestamp: str) -> bytes:
    """MD5 over the account as it is, seven zeros, the secret and MMDDHHMMSS, as SMGP wants it."""
    proof = client_id.encode() + bytes(7) + secret + timestamp.encode()
    return hashlib.md5(proof, usedforsecurity=False).digest()
