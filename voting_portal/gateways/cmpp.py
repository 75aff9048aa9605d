"""CMPP 2.0 and 3.0, the dialect of China Mobile (中国移动).

Options besides those of every link: `sp_id`, `secret`, `src_id` (the number that phones show), and
if need be `version` ("3.0" or "2.0"), `service_id`, `strict` (the carrier must prove
that it knows the secret, too).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
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
    raw,
    text,
)

CONNECT, TERMINATE, SUBMIT, DELIVER, ACTIVE_TEST = 1, 2, 4, 5, 8
UCS2 = 8

CONNECT_BODY = Layout(source_addr=text(6), authenticator=raw(16), version=U8, timestamp=U32)
ACTIVE_TEST_ANSWER = Layout(reserved=U8)


class Version:
    """The tables of one version: 3.0 made results, numbers and the last field wider."""

    def __init__(self, octet: int) -> None:
        self.octet = octet
        is_3 = octet >= 0x30
        result, phone = (U32, text(32)) if is_3 else (U8, text(21))
        last = {"link_id": text(20)} if is_3 else {"reserve": text(8)}
        self.connect_answer = Layout(status=result, authenticator=raw(16), version=U8)
        self.submit = Layout(
            msg_id=raw(8),
            pk_total=U8,
            pk_number=U8,
            registered_delivery=U8,
            msg_level=U8,
            service_id=text(10),
            fee_user_type=U8,
            fee_terminal_id=phone,
            **({"fee_terminal_type": U8} if is_3 else {}),
            tp_pid=U8,
            tp_udhi=U8,
            msg_fmt=U8,
            msg_src=text(6),
            fee_type=text(2),
            fee_code=text(6),
            valid_time=text(17),
            at_time=text(17),
            src_id=text(21),
            dest_count=U8,
            dest_terminal_id=phone,
            **({"dest_terminal_type": U8} if is_3 else {}),
            content=Counted(1),
            **last,
        )
        self.submit_answer = Layout(msg_id=raw(8), result=result)
        self.deliver = Layout(
            msg_id=raw(8),
            dest_id=text(21),
            service_id=text(10),
            tp_pid=U8,
            tp_udhi=U8,
            msg_fmt=U8,
            src_terminal_id=phone,
            **({"src_terminal_type": U8} if is_3 else {}),
            registered_delivery=U8,
            content=Counted(1),
            **last,
        )
        self.deliver_answer = Layout(msg_id=raw(8), result=result)
        self.status_octets = 4 if is_3 else 1


VERSIONS = {"3.0": Version(0x30), "2.0": Version(0x20)}


def _report(phone_octets: int) -> Layout:
    return Layout(
        msg_id=raw(8),
        stat=text(7),
        submit_time=text(10),
        done_time=text(10),
        dest_terminal_id=text(phone_octets),
        smsc_sequence=U32,
    )


# By its own length: some carriers send the short report of 2.0 over 3.0.
REPORTS = {60: _report(21), 71: _report(32)}

_OUTCOMES = {
    0: Outcome.ACCEPTED,
    8: Outcome.THROTTLED,
    13: Outcome.REJECTED,  # the number
    3: Outcome.UNKNOWN,  # a sequence number that was used: it may be that the message is there
}
_KNOWN_RESULTS = range(14)

logger = logging.getLogger(__name__)


class Cmpp(Dialect):
    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.tables = VERSIONS[str(options.get("version", "3.0"))]
        self._sp_id = str(options["sp_id"])
        self._secret = str(options["secret"]).encode()
        self._src_id = str(options["src_id"])
        self._service_id = str(options.get("service_id", ""))
        self._is_strict = bool(options.get("strict", False))
        self._submit(b"", phone="0", part=1, parts=1)  # the options fit their fields

    def login(self, now: datetime) -> Request:
        timestamp = now.strftime("%m%d%H%M%S")
        proof = authenticator(self._sp_id, self._secret, timestamp)
        body = CONNECT_BODY.pack(
            source_addr=self._sp_id,
            authenticator=proof,
            version=self.tables.octet,
            timestamp=int(timestamp),
        )
        return Request(CONNECT, body)

    def check_login(self, login: Request, answer: Pdu) -> None:
        said = self.tables.connect_answer.read(answer.body)
        if said["status"]:
            raise LoginRefused(f"CONNECT {said['status']}")
        ours = CONNECT_BODY.read(login.body)["authenticator"]
        expected = carrier_authenticator(self.tables, 0, ours, self._secret)
        if not hmac.compare_digest(expected, said["authenticator"]):
            if self._is_strict:
                raise LoginRefused("the carrier does not know the secret")
            logger.warning("the carrier's authenticator is not what the secret gives")

    def submits(self, message: Message) -> list[Request]:
        phone = dialect.digits(message.phone)
        contents = dialect.cut(message)
        return [
            Request(SUBMIT, self._submit(content, phone=phone, part=part, parts=len(contents)))
            for part, content in enumerate(contents, 1)
        ]

    def _submit(self, content: bytes, *, phone: str, part: int, parts: int) -> bytes:
        return self.tables.submit.pack(
            pk_total=parts,
            pk_number=part,
            registered_delivery=1,
            service_id=self._service_id,
            fee_user_type=2,  # we pay
            tp_udhi=int(parts > 1),
            msg_fmt=UCS2,
            msg_src=self._sp_id,
            fee_type="01",
            src_id=self._src_id,
            dest_count=1,
            dest_terminal_id=phone,
            content=content,
        )

    def verdict(self, answer: Pdu) -> Verdict:
        said = self.tables.submit_answer.read(answer.body)
        result = said["result"]
        if result == 0:
            return Verdict(Outcome.ACCEPTED, said["msg_id"].hex())
        # Codes of the carrier's own, from 14, are of this message; the others are our own faults.
        own = Outcome.MISCONFIGURED if result in _KNOWN_RESULTS else Outcome.REJECTED
        return Verdict(_OUTCOMES.get(result, own), reason=f"SUBMIT {result}")

    def hear(self, request: Pdu) -> Heard:
        match request.command:
            case 5:
                return self._hear_deliver(request)
            case 8:
                return Heard(Request(ACTIVE_TEST | IS_ANSWER, ACTIVE_TEST_ANSWER.pack()))
            case 2:
                return Heard(Request(TERMINATE | IS_ANSWER), is_end=True)
            case unknown:
                raise Malformed(f"command {unknown:#x}")

    def _hear_deliver(self, request: Pdu) -> Heard:
        said = self.tables.deliver.read(request.body)
        line: ReceiptLine | Reply
        if said["registered_delivery"] == 1:
            content = said["content"]
            if len(content) not in REPORTS:
                raise Malformed(f"a report of {len(content)} octets")
            report = REPORTS[len(content)].read(content)
            line = dialect.receipt_line(
                report["msg_id"].hex(), report["stat"], phone=report["dest_terminal_id"]
            )
        else:
            words = dialect.written(
                said["content"], said["msg_fmt"], has_header=bool(said["tp_udhi"])
            )
            line = Reply(phone=said["src_terminal_id"], text=words)
        answer = self.tables.deliver_answer.pack(msg_id=said["msg_id"])
        return Heard(Request(DELIVER | IS_ANSWER, answer), [line])

    def probe(self) -> Request:
        return Request(ACTIVE_TEST)

    def farewell(self) -> Request:
        return Request(TERMINATE)


def authenticator(sp_id: str, secret: bytes, timestamp: str) -> bytes:
    """Our proof: MD5 over the account, nine zeros, the secret and MMDDHHMMSS, as CMPP wants it."""
    proof = sp_id.encode() + bytes(9) + secret + timestamp.encode()
    return hashlib.md5(proof, usedforsecurity=False).digest()


def carrier_authenticator(tables: Version, status: int, ours: bytes, secret: bytes) -> bytes:
    """The carrier's proof over ours; the status is one octet in 2.0 and four in 3.0."""
    proof = status.to_bytes(tables.status_octets) + ours + secret
    return hashlib.md5(proof, usedforsecurity=False).digest()
