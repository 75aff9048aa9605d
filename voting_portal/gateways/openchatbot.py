"""5G messages of China Mobile (openchatbot v2, as Huawei's "Message over 5G" speaks it).

One request a message, since each holds its own link; the platform gives the id that receipts name.
User name and password stand in a header, the same both ways.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways import cards
from voting_portal.gateways.http_exchange import (
    Answer,
    Endpoint,
    Line,
    Verdict,
    attempt,
    judge,
    reason,
    send_each,
)
from voting_portal.gateways.message_ids import message_id
from voting_portal.gateways.phones import international, national
from voting_portal.gateways.protocol import (
    Kind,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptAnswer,
    ReceiptLine,
    Reply,
    Report,
    Result,
)

REPORTS = {
    "MessageSent": Report.NETWORK,
    "DeliveredToTerminal": Report.DELIVERED,
    "MessageDisplayed": Report.DISPLAYED,
    "DeliveredToNetwork": Report.DELIVERED,  # as SMS, and on the phone
    "DeliveredToSMS": Report.DELIVERED,
    "DeliveredToVms": Report.DELIVERED,
    "DeliveryImpossible": Report.FAILED,
    "DeliveredToSMSFailed": Report.FAILED,
    "DeliveredToVmsFailed": Report.FAILED,
}
EXPIRED = "800"
NOTICE = "1"
REASONS: dict[str, Promise] = {EXPIRED: _("在有效期内未送达")}


class OpenChatbotGateway:
    """Options: `url` (to the version), `chatbot_id`, `app_id`, `app_key`, `rate`.

    And if need be `lines` (requests at a time), `button`, `sms_fallback` (true unless said).
    """

    kind = Kind.RCS
    reasons: Mapping[str, Promise] = REASONS
    receipt_answer = ReceiptAnswer(204)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 100))
        self._lines = int(options.get("lines", 16))
        self._sender = options["chatbot_id"]
        address = f"{options['url'].rstrip('/')}/{quote(self._sender, safe='')}"
        self._endpoint = Endpoint(address, ca_file=options.get("ca_file", ""))
        self._authorization = authorization(options["app_id"], options["app_key"])
        self._key = str(options["app_key"]).encode()
        self._button = cards.read_button(name, options)
        self._falls_back = bool(options.get("sms_fallback", True))

    def send(self, messages: Sequence[Message]) -> list[Result]:
        return send_each(self._endpoint, messages, self._send_one, lines=self._lines)

    def read_receipts(
        self,
        headers: Mapping[str, str],
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002 - the password is good at any time
    ) -> list[ReceiptLine | Reply]:
        given = headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization.encode()):
            raise NotFromGateway("user name or password is wrong")
        try:
            content = json.loads(body)
            if "deliveryInfo" in content:
                return [_line(content["deliveryInfo"])]
            if "status" in content:
                return [_revoked(content)] if content["status"] == "Revoked" else []
            text = cards.reply_text(content["contentType"], _body_text(content))
            return [Reply(national(content["senderAddress"]), text)] if text else []
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _send_one(self, line: Line, message: Message) -> Verdict:
        body = json.dumps(self._content(message), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Authorization": self._authorization,
        }
        answer = attempt(lambda: line.exchange("POST", "/outbound", body, headers))
        if isinstance(answer, Verdict):
            return answer
        return judge(answer) or _verdict(answer)

    def _content(self, message: Message) -> dict[str, Any]:
        number = message_id(self._key, message.ref)
        address = f"tel:{international(message.phone)}"
        content_type, body = self._body(message)
        return {
            "address": address,
            "destinationAddress": address,
            "senderAddress": self._sender,
            "productType": NOTICE,
            "clientCorrelator": number,
            "outboundIMMessage": {
                "contentType": content_type,
                "contentEncoding": "utf8",
                "bodyText": body,
                "conversationID": number,
                "contributionID": number,
                "reportRequest": ["Delivered", "Displayed", "Failed"],
                "storeSupported": False,
                "shortMessageSupported": self._falls_back,
                "serviceCapability": [
                    {"capabilityId": "ChatbotSA", "version": '+g.gsma.rcs.botversion="#=1"'}
                ],
                "subject": message.title,
            },
        }

    def _body(self, message: Message) -> tuple[str, str]:
        """Content type and body: the card or the text, and below it the suggestion."""
        if message.title and message.link:
            first = (cards.CARD, json.dumps(cards.card(message, button=self._button)))
        else:
            first = ("text/plain", message.text)
        parts = (first, (cards.SUGGESTIONS, json.dumps(cards.suggestions())))
        boundary = secrets.token_hex(12)
        lines = [
            f"--{boundary}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(text.encode())}\r\n\r\n{text}\r\n"
            for kind, text in parts
        ]
        return f'multipart/mixed; boundary="{boundary}"', "".join((*lines, f"--{boundary}--\r\n"))


def authorization(app_id: str, app_key: str) -> str:
    return f'Username="{app_id}",Password="{app_key}"'


def _verdict(answer: Answer) -> Verdict:
    """The id that the platform gave, by itself or at the end of the message's address."""
    try:
        content = json.loads(answer.body)
        address = content.get("resourceURL") or ""
        given = str(content.get("messageId") or address.rstrip("/").rpartition("/")[2])
    except (ValueError, TypeError, AttributeError):
        given = ""
    if not given:
        return Verdict(Outcome.UNKNOWN, "unreadable answer")
    return Verdict(Outcome.ACCEPTED, gateway_ref=given[:64], refs=(given[:64],))


def _line(info: Mapping[str, Any]) -> ReceiptLine:
    report = REPORTS[info["deliveryStatus"]]
    code = reason(info.get("description", "")) if report is Report.FAILED else ""
    if code == EXPIRED:
        report = Report.UNREACHED
    phone = national(str(info["address"]))
    return ReceiptLine("", report, code, str(info["messageId"])[:64], phone)


def _revoked(content: Mapping[str, Any]) -> ReceiptLine:
    phone = national(str(content["address"]))
    return ReceiptLine("", Report.REVOKED, "", str(content["messageId"])[:64], phone)


def _body_text(content: Mapping[str, Any]) -> str:
    text = str(content["bodyText"])
    if content.get("contentEncoding") == "base64":
        return base64.b64decode(text, validate=True).decode()
    return text
