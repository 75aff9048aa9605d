"""The carrier's side of the socket dialects: how it reads a submit, answers and reports."""

from __future__ import annotations

import abc
import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voting_portal.gateways import cmpp, sgip, smgp, smpp
from voting_portal.gateways.dialect import Request
from voting_portal.gateways.wire import (
    IS_ANSWER,
    Header,
    Malformed,
    Pdu,
    read_parameters,
)

UCS2 = 8


@dataclass(frozen=True)
class Submitted:
    """One short message as it came; `has_header` when its content begins with a user header."""

    phone: str
    content: bytes
    has_header: bool


@dataclass(frozen=True)
class Told:
    """What the carrier tells of one message: the name it has for it, and whether it arrived."""

    ref: bytes
    phone: str
    is_delivered: bool
    at: datetime


class CarrierDialect(abc.ABC):
    """`login`, `submit`, `probe` and `farewell` are the commands; `throttled` and so on its codes.

    A login is checked against the options that the portal's side has.
    """

    header: Header = Header()
    login: int
    submit: int
    probe: int | None
    farewell: int
    throttled: int
    bad_number: int
    reports_to: str = ""  # where the portal listens for reports, if not on its own link

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self._numbers = itertools.count(1)

    def sequences(self) -> Iterator[int | bytes]:
        return itertools.count(1)

    def new_ref(self) -> bytes:
        """A name for a message that the carrier takes."""
        return next(self._numbers).to_bytes(8)

    @abc.abstractmethod
    def answer_login(self, pdu: Pdu) -> tuple[Pdu, bool]:
        """The answer, and whether this is the account."""

    @abc.abstractmethod
    def read_submit(self, pdu: Pdu) -> Submitted: ...

    @abc.abstractmethod
    def answer_submit(self, pdu: Pdu, *, ref: bytes, code: int = 0) -> Pdu: ...

    @abc.abstractmethod
    def report(self, told: Told) -> Request: ...

    @abc.abstractmethod
    def reply(self, phone: str, words: str) -> Request:
        """What somebody wrote back."""


class CmppCarrier(CarrierDialect):
    login, submit, probe, farewell = cmpp.CONNECT, cmpp.SUBMIT, cmpp.ACTIVE_TEST, cmpp.TERMINATE
    throttled, bad_number = 8, 13

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._tables = cmpp.VERSIONS[str(options.get("version", "3.0"))]

    def answer_login(self, pdu: Pdu) -> tuple[Pdu, bool]:
        said = cmpp.CONNECT_BODY.read(pdu.body)
        secret = str(self.options["secret"]).encode()
        timestamp = f"{said['timestamp']:010}"
        ours = cmpp.authenticator(str(self.options["sp_id"]), secret, timestamp)
        status = 0 if ours == said["authenticator"] else 3
        if said["version"] > self._tables.octet:
            status = 4
        proof = cmpp.carrier_authenticator(self._tables, status, said["authenticator"], secret)
        body = self._tables.connect_answer.pack(
            status=status, authenticator=proof, version=self._tables.octet
        )
        return Pdu(cmpp.CONNECT | IS_ANSWER, pdu.sequence, body), status == 0

    def read_submit(self, pdu: Pdu) -> Submitted:
        said = self._tables.submit.read(pdu.body)
        return Submitted(said["dest_terminal_id"], said["content"], bool(said["tp_udhi"]))

    def answer_submit(self, pdu: Pdu, *, ref: bytes, code: int = 0) -> Pdu:
        body = self._tables.submit_answer.pack(msg_id=ref, result=code)
        return Pdu(cmpp.SUBMIT | IS_ANSWER, pdu.sequence, body)

    def report(self, told: Told) -> Request:
        octets = 60 if self._tables.octet < 0x30 else 71
        content = cmpp.REPORTS[octets].pack(
            msg_id=told.ref,
            stat="DELIVRD" if told.is_delivered else "MK:0001",
            submit_time=told.at.strftime("%y%m%d%H%M"),
            done_time=told.at.strftime("%y%m%d%H%M"),
            dest_terminal_id=told.phone,
        )
        return self._deliver(told.ref, told.phone, content, registered_delivery=1)

    def reply(self, phone: str, words: str) -> Request:
        return self._deliver(self.new_ref(), phone, words.encode("utf-16-be"), msg_fmt=UCS2)

    def _deliver(self, ref: bytes, phone: str, content: bytes, **fields: int) -> Request:
        body = self._tables.deliver.pack(
            msg_id=ref,
            dest_id=str(self.options["src_id"]),
            src_terminal_id=phone,
            content=content,
            **fields,
        )
        return Request(cmpp.DELIVER, body)


class SmgpCarrier(CarrierDialect):
    login, submit, probe, farewell = smgp.LOGIN, smgp.SUBMIT, smgp.ACTIVE_TEST, smgp.EXIT
    throttled, bad_number = 1, 47

    def new_ref(self) -> bytes:
        return next(self._numbers).to_bytes(10)

    def answer_login(self, pdu: Pdu) -> tuple[Pdu, bool]:
        said = smgp.LOGIN_BODY.read(pdu.body)
        ours = smgp.authenticator(
            str(self.options["client_id"]),
            str(self.options["secret"]).encode(),
            f"{said['timestamp']:010}",
        )
        status = 0 if ours == said["authenticator"] else 21
        body = smgp.LOGIN_ANSWER.pack(status=status, version=0x30)
        return Pdu(smgp.LOGIN | IS_ANSWER, pdu.sequence, body), status == 0

    def read_submit(self, pdu: Pdu) -> Submitted:
        said = smgp.SUBMIT_BODY.read(pdu.body)
        has_header = smgp.TP_UDHI in read_parameters(said["parameters"])
        return Submitted(said["dest_term_id"], said["content"], has_header)

    def answer_submit(self, pdu: Pdu, *, ref: bytes, code: int = 0) -> Pdu:
        body = smgp.SUBMIT_ANSWER.pack(msg_id=ref, status=code)
        return Pdu(smgp.SUBMIT | IS_ANSWER, pdu.sequence, body)

    def report(self, told: Told) -> Request:
        state, code = ("DELIVRD", "000") if told.is_delivered else ("UNDELIV", "001")
        moment = told.at.strftime("%y%m%d%H%M")
        content = (
            b"id:"
            + told.ref
            + f" sub:001 dlvrd:001 submit date:{moment} done date:{moment} "
            f"stat:{state} err:{code} text:{'':20}".encode()
        )
        return self._deliver(told.ref, told.phone, content, is_report=1)

    def reply(self, phone: str, words: str) -> Request:
        return self._deliver(self.new_ref(), phone, words.encode("utf-16-be"), msg_format=UCS2)

    def _deliver(self, ref: bytes, phone: str, content: bytes, **fields: int) -> Request:
        body = smgp.DELIVER_BODY.pack(msg_id=ref, src_term_id=phone, content=content, **fields)
        return Request(smgp.DELIVER, body)


class SmppCarrier(CarrierDialect):
    header = smpp.SmppHeader()
    login, submit, probe = smpp.BIND_TRANSCEIVER, smpp.SUBMIT_SM, smpp.ENQUIRE_LINK
    farewell = smpp.UNBIND
    throttled, bad_number = 0x58, 0x0B

    def new_ref(self) -> bytes:
        return f"{next(self._numbers):x}".encode()

    def answer_login(self, pdu: Pdu) -> tuple[Pdu, bool]:
        said = smpp.BIND_BODY.read(pdu.body)
        is_known = said["password"] == self.options["password"]
        body = smpp.BIND_ANSWER.pack(system_id="simulator") if is_known else b""
        status = 0 if is_known else 0x0E
        return Pdu(pdu.command | IS_ANSWER, pdu.sequence, body, status), is_known

    def read_submit(self, pdu: Pdu) -> Submitted:
        said = smpp.SHORT_MESSAGE.read(pdu.body)
        return Submitted(
            said["dest"], said["content"], bool(said["esm_class"] & smpp.HAS_USER_HEADER)
        )

    def answer_submit(self, pdu: Pdu, *, ref: bytes, code: int = 0) -> Pdu:
        body = b"" if code else smpp.SHORT_MESSAGE_ANSWER.pack(message_id=ref)
        return Pdu(smpp.SUBMIT_SM | IS_ANSWER, pdu.sequence, body, code)

    def report(self, told: Told) -> Request:
        state, code = ("DELIVRD", "000") if told.is_delivered else ("UNDELIV", "001")
        moment = told.at.strftime("%y%m%d%H%M")
        content = (
            f"id:{told.ref.decode()} sub:001 dlvrd:001 submit date:{moment} done date:{moment} "
            f"stat:{state} err:{code} text:"
        )
        return self._deliver(told.phone, content.encode(), esm_class=smpp.IS_RECEIPT)

    def reply(self, phone: str, words: str) -> Request:
        return self._deliver(phone, words.encode("utf-16-be"), data_coding=UCS2)

    def _deliver(self, phone: str, content: bytes, **fields: int) -> Request:
        dest = str(self.options["src_id"])
        body = smpp.SHORT_MESSAGE.pack(source=phone, dest=dest, content=content, **fields)
        return Request(smpp.DELIVER_SM, body)


class SgipCarrier(CarrierDialect):
    """Which calls back: it names messages as the portal did, and reports where the portal listens.

    The first PDU of such a call is its own login.
    """

    header = sgip.SgipHeader()
    login, submit, probe, farewell = sgip.BIND, sgip.SUBMIT, None, sgip.UNBIND
    throttled, bad_number = 11, 6

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.reports_to = str(options["listen"])

    def sequences(self) -> Iterator[int | bytes]:
        return (struct.pack(">III", 1, 0, number) for number in itertools.count(1))

    def call(self) -> Request:
        """The login with which a call to the portal begins."""
        body = sgip.BIND_BODY.pack(
            login_type=sgip.FROM_CARRIER,
            login_name=str(self.options["login"]),
            login_password=str(self.options["password"]),
        )
        return Request(sgip.BIND, body)

    def answer_login(self, pdu: Pdu) -> tuple[Pdu, bool]:
        said = sgip.BIND_BODY.read(pdu.body)
        is_known = said["login_password"] == self.options["password"]
        body = sgip.ANSWER.pack(result=0 if is_known else 1)
        return Pdu(sgip.BIND | IS_ANSWER, pdu.sequence, body), is_known

    def read_submit(self, pdu: Pdu) -> Submitted:
        said = sgip.SUBMIT_BODY.read(pdu.body)
        if said["user_count"] != 1:
            raise Malformed("more than one number")
        phone = said["user_number"].removeprefix("86")
        return Submitted(phone, said["content"], bool(said["tp_udhi"]))

    def answer_submit(self, pdu: Pdu, *, ref: bytes, code: int = 0) -> Pdu:  # noqa: ARG002
        return Pdu(sgip.SUBMIT | IS_ANSWER, pdu.sequence, sgip.ANSWER.pack(result=code))

    def report(self, told: Told) -> Request:
        body = sgip.REPORT_BODY.pack(
            submit_sequence=told.ref,
            user_number="86" + told.phone,
            state=0 if told.is_delivered else 2,
            error_code=0 if told.is_delivered else 29,
        )
        return Request(sgip.REPORT, body)

    def reply(self, phone: str, words: str) -> Request:
        body = sgip.DELIVER_BODY.pack(
            user_number="86" + phone,
            sp_number=str(self.options["src_id"]),
            message_coding=UCS2,
            content=words.encode("utf-16-be"),
        )
        return Request(sgip.DELIVER, body)


CARRIERS: dict[str, type[CarrierDialect]] = {
    "cmpp": CmppCarrier,
    "smgp": SmgpCarrier,
    "smpp": SmppCarrier,
    "sgip": SgipCarrier,
}
