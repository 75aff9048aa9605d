"""Alibaba's 5G messages (SendRCS, to phones of China Mobile): templates, one number a request.

OutId carries our own reference there and back. To a phone that shows none Alibaba sends the SMS of
the template; which phones show them can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from voting_portal.gateways.alibaba import (
    BLANK_LENGTH,
    NO_TEMPLATE,
    AlibabaAccount,
    as_json,
    content_of,
    has_room,
    verdict_of,
)
from voting_portal.gateways.cards import OPT_OUT, OPT_OUT_DATA, OPT_OUT_REPLY
from voting_portal.gateways.http_exchange import Line, Verdict, attempt, reason, send_each
from voting_portal.gateways.phones import national
from voting_portal.gateways.protocol import (
    CannotAsk,
    Kind,
    Message,
    Outcome,
    ReceiptLine,
    Reply,
    Report,
    Result,
)
from voting_portal.gateways.templates import choose

TYPED = "1"  # of what a person did: wrote, or tapped (2, 3)
CAPABLE = {"Supported": True, "NotSupported": False}


class AlibabaRcsGateway(AlibabaAccount):
    """Options: those of alibaba, and if need be `lines`: requests under way at a time."""

    kind = Kind.RCS
    lookup_size = 100
    lookup_rate = 5.0
    takes_links = True

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self._lines = int(options.get("lines", 16))

    def send(self, messages: Sequence[Message]) -> list[Result]:
        return send_each(self._endpoint, messages, self._send_one, lines=self._lines)

    def supports(self, phones: Sequence[str]) -> dict[str, bool]:
        parameters = {
            "PhoneNumbers": ",".join(national(phone) for phone in phones),
            "SignName": self._sign_name,
            "TemplateCode": self._templates[0].code,
        }
        found = self.ask("QueryRCSMobileCapable", parameters).get("Data")
        if not isinstance(found, dict):
            raise CannotAsk("QueryRCSMobileCapable: unreadable answer")
        known = {phone: CAPABLE.get(str(found.get(national(phone)))) for phone in phones}
        return {phone: shows for phone, shows in known.items() if shows is not None}

    def _send_one(self, line: Line, message: Message) -> Verdict:
        template = choose(self._templates, message)
        if template is None:
            return Verdict(Outcome.MISCONFIGURED, NO_TEMPLATE)
        if not has_room(template, message):
            return Verdict(Outcome.REJECTED, BLANK_LENGTH)
        parameters = {
            "PhoneNumbers": national(message.phone),
            "SignName": self._sign_name,
            "TemplateCode": template.code,
            "TemplateParam": as_json(template.fill(message)),
            "OutId": message.ref,
        }
        answer = attempt(lambda: self.call("SendRCS", parameters, line=line))
        verdict = verdict_of(answer, content_of(answer), gateway_ref=message.ref)
        return replace(verdict, gateway_ref="", refs=())  # receipts name our own reference

    def _read_item(self, item: Mapping[str, Any]) -> ReceiptLine | Reply:
        phone = national(str(item["phone_number"]))
        if "content" in item:
            return Reply(phone, _said(str(item["mobile_originated_type"]), str(item["content"])))
        has_arrived = {"SEND_SUCCESS": True, "SEND_FAILED": False}[item["send_status"]]
        code = "" if has_arrived else reason(item.get("err_code", ""))
        report = Report.DELIVERED if has_arrived else Report.FAILED
        return ReceiptLine(str(item["out_id"]), report, code, phone=phone)


def _said(kind: str, content: str) -> str:
    if kind == TYPED:
        return content
    tapped = json.loads(content)
    is_opt_out = tapped.get("post_data") == OPT_OUT_DATA or tapped["display_text"] == OPT_OUT
    return OPT_OUT_REPLY if is_opt_out else str(tapped["display_text"])
