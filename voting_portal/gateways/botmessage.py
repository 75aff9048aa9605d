"""5G messages of China Telecom and China Unicom (platform interface V1.0.4).

One request a message, under an id that we choose and get back in receipts. All workers share one
access token. Where a phone shows no 5G messages the network itself sends `smsContent` as SMS.
Callbacks are signed, but their signature leaves out the body: hence nonces.py.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways import access_tokens, cards, nonces
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
from voting_portal.gateways.message_ids import message_id, ref_of
from voting_portal.gateways.phones import international, national
from voting_portal.gateways.protocol import (
    CannotAsk,
    Handed,
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

CLOCK_SKEW_SECONDS = 300
BAD_TOKEN = {40001, 40014, 42001}
TOO_FAST = {30003}
CAPPED = {30001, 30002, 30004}  # of the account, for the day, month or year
OF_A_MESSAGE = {40021, 60001, 70001}
OF_THE_CARRIERS = range(81_000, 90_000)  # their own refusals, of one message each
REPORTS = {
    "sent": Report.NETWORK,
    "deliveredToNetwork": Report.NETWORK,  # as SMS, by the network's own fallback
    "delivered": Report.DELIVERED,
    "displayed": Report.DISPLAYED,
    "failed": Report.FAILED,
    "revokeOk": Report.REVOKED,
}
OFFLINE = "4"
REASONS: dict[str, Promise] = {
    "1": _("没有这个终端"),
    "2": _("手机不支持5G消息"),
    "3": _("内容违规"),
    OFFLINE: _("手机不在线"),
    "5": _("对方拒收"),
    "6": _("消息内容有误"),
    "30001": _("通道账户已达当日上限"),
    "30002": _("通道账户已达当月上限"),
    "30003": _("发送过快"),
    "30004": _("通道账户已达当年上限"),
    "30008": _("发送方与通道账户不符"),
    "40021": _("消息过长"),
    "60001": _("内容违规"),
    "70001": _("消息被管控"),
}


class BotMessageGateway:
    """Options: `url` (to the version), `chatbot_id`, `app_id`, `app_key`, `receipt_token`, `rate`.

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
        self._app_id, self._app_key = options["app_id"], options["app_key"]
        self._receipt_token = options["receipt_token"]
        self._button = cards.read_button(name, options)
        self._falls_back = bool(options.get("sms_fallback", True))

    def send(self, messages: Sequence[Message]) -> list[Result]:
        return send_each(self._endpoint, messages, self._send_one, lines=self._lines)

    def revoke(self, handed: Sequence[Handed]) -> dict[str, bool]:
        tried = {}
        with Line(self._endpoint) as line:
            for one in handed:
                content = {
                    "messageId": message_id(self._key, one.ref),
                    "destinationAddress": [f"tel:{international(one.phone)}"],
                    "status": "RevokeRequested",
                }
                answer = self._call(line, "/revoke", content)
                if isinstance(answer, Verdict):
                    raise CannotAsk(answer.reason)
                tried[one.ref] = _error_code(answer) == 0
        return tried

    def greet(self, headers: Mapping[str, str], *, now: datetime) -> ReceiptAnswer:
        self._check_signature(headers, b"", now=now)
        echo = headers.get("echoStr", "")
        if not echo.isascii() or not echo.isprintable():
            raise NotFromGateway("the greeting cannot be read")
        return ReceiptAnswer(200, headers={"echoStr": echo, "appId": self._app_id})

    def read_receipts(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> list[ReceiptLine | Reply]:
        self._check_signature(headers, body, now=now)
        try:
            content = json.loads(body)
            if "deliveryInfoList" in content:
                lines = (self._line(info) for info in content["deliveryInfoList"])
                return [line for line in lines if line is not None]
            phone = national(content["senderAddress"])
            texts = [
                cards.reply_text(part["contentType"], part["contentText"])
                for part in content["messageList"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None
        return [Reply(phone, text) for text in texts if text]

    @property
    def _key(self) -> bytes:
        return str(self._app_key).encode()

    def _send_one(self, line: Line, message: Message) -> Verdict:
        answer = self._call(line, "/messages", self._content(message))
        if isinstance(answer, Verdict):
            return answer
        code = _error_code(answer)
        if code is None:
            return judge(answer) or Verdict(Outcome.UNKNOWN, "unreadable answer")
        if code == 0:
            return Verdict(Outcome.ACCEPTED, gateway_ref=message_id(self._key, message.ref))
        if code in TOO_FAST:
            return Verdict(Outcome.THROTTLED, str(code), retry_after=1.0)
        is_of_message = code in OF_A_MESSAGE or code in OF_THE_CARRIERS
        return Verdict(Outcome.REJECTED if is_of_message else Outcome.MISCONFIGURED, str(code))

    def _content(self, message: Message) -> dict[str, Any]:
        number = message_id(self._key, message.ref)
        if message.title and message.link:
            first = {
                "contentType": cards.CARD,
                "contentText": cards.card(message, button=self._button),
            }
        else:
            first = {"contentType": "text/plain", "contentText": message.text}
        return {
            "messageId": number,
            "messageList": [
                first,
                {"contentType": cards.SUGGESTIONS, "contentText": cards.suggestions()},
            ],
            "destinationAddress": [f"tel:{international(message.phone)}"],
            "senderAddress": self._sender,
            "conversationId": number,
            "contributionId": number,
            "serviceCapability": [
                {"capabilityId": "ChatbotSA", "version": '+g.gsma.rcs.botversion="#=1"'}
            ],
            "smsSupported": self._falls_back,
            "storeSupported": False,
            "smsContent": message.text if self._falls_back else "",
            "reportRequest": ["sent", "delivered", "displayed", "failed", "deliveredToNetwork"],
        }

    def _call(self, line: Line, target: str, content: Mapping[str, Any]) -> Answer | Verdict:
        """A call under the shared token; one that was refused for its token is made once more."""
        body = json.dumps(content, ensure_ascii=False).encode()
        try:
            token = access_tokens.current(self.name, self._fetch_token)
            answer = self._post(line, target, body, token)
            if isinstance(answer, Answer) and _error_code(answer) in BAD_TOKEN:
                access_tokens.forget(self.name, token)
                token = access_tokens.current(self.name, self._fetch_token)
                answer = self._post(line, target, body, token)
        except access_tokens.NoToken as error:
            return Verdict(Outcome.NOT_SENT, reason(error))
        return answer

    def _post(self, line: Line, target: str, body: bytes, token: str) -> Answer | Verdict:
        headers = {
            "Content-Type": "application/json",
            "authorization": f"accessToken {token}",
        }
        return attempt(lambda: line.exchange("POST", target, body, headers))

    def _fetch_token(self) -> tuple[str, int]:
        body = json.dumps({"appId": self._app_id, "appKey": self._app_key}).encode()
        headers = {"Content-Type": "application/json"}
        answer = attempt(lambda: self._endpoint.exchange("POST", "/accessToken", body, headers))
        if isinstance(answer, Verdict):
            raise access_tokens.NoToken(answer.reason)
        try:
            content = json.loads(answer.body)
            if content["errorCode"] != 0:
                raise access_tokens.NoToken(f"token {content['errorCode']}")
            return str(content["accessToken"]), int(content["expires"])
        except (ValueError, KeyError, TypeError):
            raise access_tokens.NoToken("unreadable token") from None

    def _line(self, info: Mapping[str, Any]) -> ReceiptLine | None:
        """A line of a status report; None for revokeFail and for an id that was not given out."""
        report = REPORTS.get(info["status"])
        try:
            ref = ref_of(self._key, info["messageId"])
        except ValueError:
            return None
        if report is None:
            return None
        code = "" if report is not Report.FAILED else reason(info.get("errorCode", ""))
        if code == OFFLINE:
            report = Report.UNREACHED
        return ReceiptLine(ref, report, code, phone=national(str(info.get("senderAddress", ""))))

    def _check_signature(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        timestamp, nonce = headers.get("timestamp", ""), headers.get("nonce", "")
        if not (timestamp.isascii() and timestamp.isdigit() and nonce):
            raise NotFromGateway("the callback is not signed")
        right = receipt_signature(self._receipt_token, timestamp=timestamp, nonce=nonce)
        if not hmac.compare_digest(right.encode(), headers.get("signature", "").encode()):
            raise NotFromGateway("the signature is wrong")
        if abs(now.timestamp() - int(timestamp)) > CLOCK_SKEW_SECONDS:
            raise NotFromGateway("the signature is too old, or a clock is wrong")
        if not nonces.is_first_use(self.name, nonce, body):
            raise NotFromGateway("the nonce came before, with another body")


def receipt_signature(token: str, *, timestamp: str, nonce: str) -> str:
    """What the carrier signs a callback with: the body is not part of it."""
    return hashlib.sha256("".join(sorted((token, timestamp, nonce))).encode()).hexdigest()


def _error_code(answer: Answer) -> int | None:
    try:
        return int(json.loads(answer.body)["errorCode"])
    except (ValueError, KeyError, TypeError):
        return None
