"""Alibaba's SMS (阿里云短信 dysmsapi 2017-05-25): the text is composed from registered templates.

SendBatchSms takes 100 numbers, none twice, and answers with one BizId for all of them, so receipts
name a message by BizId and number. It has no idempotence. A refusal because of one number or word
is of the whole request; its halves are then sent apart until only the culprit is left.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways import canonical
from voting_portal.gateways.http_exchange import (
    Answer,
    Endpoint,
    Line,
    Verdict,
    attempt,
    judge,
    reason,
    retry_after,
)
from voting_portal.gateways.phones import national
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
from voting_portal.gateways.templates import Template, read_templates, requests_of

VERSION = "2017-05-25"
MOST_CHARACTERS = 35  # of what fills a blank
BEIJING = ZoneInfo("Asia/Shanghai")
DELIVERED = {"DELIVERED", "DELIVRD"}
PASSING = {"EXPIRED", "MOBILE_SEND_LIMIT", "isv.BUSINESS_LIMIT_CONTROL"}  # not for good
# Of one message, not of the request.
OF_A_MESSAGE = {
    "isv.MOBILE_NUMBER_ILLEGAL",
    "isv.BUSINESS_LIMIT_CONTROL",
    "isv.PARAM_LENGTH_LIMIT",
    "isv.PARAM_NOT_SUPPORT_URL",
    "isv.BLACK_KEY_CONTROL_LIMIT",
    "isv.TEMPLATE_PARAMS_ILLEGAL",
}
UNCERTAIN = {"isp.SYSTEM_ERROR", "ServiceUnavailable", "InternalError", "SystemError"}
BLANK_LENGTH, NO_TEMPLATE = "BLANK_LENGTH", "NO_TEMPLATE"
REASONS: dict[str, Promise] = {
    BLANK_LENGTH: _("填入模板的内容为空或超过35个字"),
    "NO_CARD": _("手机不支持卡片"),
    NO_TEMPLATE: _("没有适用的短信模板"),
    "EXPIRED": _("在有效期内未送达"),
    "MOBILE_SEND_LIMIT": _("该号码今日短信已达上限"),
    "MOBILE_NOT_ON_SERVICE": _("空号或停机"),
    "MOBILE_NOT_SUPPORT_RCS": _("手机不支持5G消息"),
    "isv.MOBILE_NUMBER_ILLEGAL": _("号码格式不正确"),
    "isv.BUSINESS_LIMIT_CONTROL": _("该号码短信过于频繁"),
    "isv.PARAM_LENGTH_LIMIT": _("填入模板的内容为空或超过35个字"),
    "isv.PARAM_NOT_SUPPORT_URL": _("模板内容不得含有链接"),
    "isv.BLACK_KEY_CONTROL_LIMIT": _("内容含有禁用词"),
    "isv.AMOUNT_NOT_ENOUGH": _("通道账户余额不足"),
    "isv.OUT_OF_SERVICE": _("通道账户已停用"),
    "isv.SMS_SIGNATURE_ILLEGAL": _("短信签名未报备"),
    "isv.SMS_TEMPLATE_ILLEGAL": _("短信模板未报备"),
    "isv.DAY_LIMIT_CONTROL": _("通道账户已达当日上限"),
    "SignatureDoesNotMatch": _("通道密钥不正确"),
}


class AlibabaAccount:
    """What SMS, cards and 5G messages have in common: one account, its templates, its receipts."""

    kind = Kind.SMS
    reasons: Mapping[str, Promise] = REASONS
    receipt_answer = ReceiptAnswer(200, b'{"code":0,"msg":"OK"}')
    takes_links = False  # in the blanks of its templates

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = min(int(options.get("batch_size", 100)), 100)
        self._endpoint = Endpoint(options["url"], ca_file=options.get("ca_file", ""))
        self._key_id, self._secret = options["access_key_id"], options["access_key_secret"]
        self._sign_name = options["sign_name"]
        self._templates = read_templates(name, options, takes_links=self.takes_links)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        results = {
            result.ref: result
            for template, some in requests_of(self._templates, messages)
            for result in self._send_by(template, some)
        }
        return [results[message.ref] for message in messages]

    def read_receipts(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - nothing is signed: the address is the secret
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002
    ) -> list[ReceiptLine | Reply]:
        """SmsReport and SmsUp."""
        try:
            return [self._read_item(item) for item in json.loads(body)]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def call(
        self, action: str, parameters: Mapping[str, str], *, line: Line | None = None
    ) -> Answer:
        """One signed call, over `line` if there is one; raises NotSent or NoAnswer."""
        body = canonical.query_string(parameters).encode()
        headers = {
            "host": self._endpoint.host,
            "content-type": "application/x-www-form-urlencoded",
            "x-acs-action": action,
            "x-acs-version": VERSION,
            "x-acs-date": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        signed = sorted(headers)
        request = canonical.Request("POST", self._endpoint.path or "/", headers, body)
        signature = canonical.acs3(request, signed, secret=self._secret)
        headers["Authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self._key_id},"
            f"SignedHeaders={';'.join(signed)},Signature={signature}"
        )
        target = "" if self._endpoint.path else "/"
        return (line or self._endpoint).exchange("POST", target, body, headers)

    def ask(self, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a question that sends nothing; CannotAsk when there is none."""
        answer = attempt(lambda: self.call(action, parameters))
        content = content_of(answer)
        if content.get("Code") != "OK":
            raise CannotAsk(f"{action}: {reason(content.get('Code', 'no answer'))}")
        return content

    def _send_by(self, template: Template | None, messages: Sequence[Message]) -> list[Result]:
        if template is None:
            return all_of(messages, Verdict(Outcome.MISCONFIGURED, NO_TEMPLATE))
        fitting = [m for m in messages if has_room(template, m)]
        too_long = Verdict(Outcome.REJECTED, BLANK_LENGTH)
        results = [too_long.on(m) for m in messages if m not in fitting]
        if not fitting:
            return results
        parameters = self._parameters(template, fitting)
        answer = attempt(lambda: self.call(self._action, parameters))
        code = str(content_of(answer).get("Code", ""))
        if code in OF_A_MESSAGE and len(fitting) > 1:
            half = len(fitting) // 2
            halves = fitting[:half], fitting[half:]
            return results + [r for some in halves for r in self._send_by(template, some)]
        return results + self._results(fitting, answer)

    _action = "SendBatchSms"

    def _parameters(self, template: Template, messages: Sequence[Message]) -> dict[str, str]:
        return {
            "PhoneNumberJson": as_json([national(m.phone) for m in messages]),
            "SignNameJson": as_json([self._sign_name] * len(messages)),
            "TemplateCode": template.code,
            "TemplateParamJson": as_json([template.fill(m) for m in messages]),
            "OutId": messages[0].ref,
        }

    def _results(self, messages: Sequence[Message], answer: Answer | Verdict) -> list[Result]:
        content = content_of(answer)
        verdict = verdict_of(answer, content, gateway_ref=str(content.get("BizId", "")))
        return all_of(messages, verdict)

    def _read_item(self, item: Mapping[str, Any]) -> ReceiptLine | Reply:
        phone = national(str(item["phone_number"]))
        if "content" in item:
            return Reply(phone, str(item["content"]))
        return _line(
            item["success"] in (True, "true"),
            str(item.get("err_code", "")),
            gateway_ref=str(item["biz_id"]),
            phone=phone,
        )


class AlibabaGateway(AlibabaAccount):
    """Options: `url`, `access_key_id`, `access_key_secret`, `sign_name`, `templates`, `rate`."""

    def query(self, handed: Sequence[Handed]) -> list[ReceiptLine]:
        """One question a message: what the carrier knows of its number on that day."""
        lines = []
        for one in handed:
            try:
                sent = _the_one_sent(one, self._details(one))
                if sent is not None and sent["SendStatus"] in (2, 3):  # 1 waits for its receipt
                    has_arrived = sent["SendStatus"] == 3
                    lines.append(_line(has_arrived, str(sent.get("ErrCode", "")), ref=one.ref))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise CannotAsk("QuerySendDetails: unreadable answer") from None
        return lines

    def _details(self, one: Handed) -> list[dict[str, Any]]:
        parameters = {
            "PhoneNumber": national(one.phone),
            "SendDate": one.handed_at.astimezone(BEIJING).strftime("%Y%m%d"),
            "PageSize": "50",
            "CurrentPage": "1",
        }
        if one.gateway_ref:
            parameters["BizId"] = one.gateway_ref
        content = self.ask("QuerySendDetails", parameters)
        found = content.get("SmsSendDetailDTOs", {}).get("SmsSendDetailDTO", [])
        return list(found)


def has_room(template: Template, message: Message) -> bool:
    return all(1 <= len(text) <= MOST_CHARACTERS for text in template.fill(message).values())


def verdict_of(
    answer: Answer | Verdict, content: Mapping[str, Any], *, gateway_ref: str
) -> Verdict:
    """What an answer makes certain of the messages of its request."""
    if isinstance(answer, Verdict):
        return answer
    code = str(content.get("Code", ""))
    if code == "OK" and gateway_ref:
        return Verdict(Outcome.ACCEPTED, gateway_ref=gateway_ref[:64], refs=(gateway_ref[:64],))
    if code.startswith("Throttling"):
        return Verdict(Outcome.THROTTLED, reason(code), retry_after=retry_after(answer))
    if code in UNCERTAIN or code in ("", "OK"):
        return judge(answer) or Verdict(Outcome.UNKNOWN, reason(code) or "unreadable answer")
    outcome = Outcome.REJECTED if code in OF_A_MESSAGE else Outcome.MISCONFIGURED
    return Verdict(outcome, reason(code))


def all_of(messages: Sequence[Message], verdict: Verdict) -> list[Result]:
    return [verdict.on(message) for message in messages]


as_json: Callable[[object], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode


def content_of(answer: Answer | Verdict) -> dict[str, Any]:
    """The JSON object of an answer; empty when there is none that can be read."""
    if isinstance(answer, Verdict):
        return {}
    try:
        content = json.loads(answer.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _the_one_sent(one: Handed, details: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The detail that is of this message, where there is no doubt.

    Without a BizId only the number and the time tell; two messages within ten minutes are a doubt.
    """
    if one.gateway_ref:
        return details[0] if len(details) == 1 else None
    first, last = one.handed_at - timedelta(minutes=1), one.handed_at + timedelta(minutes=9)
    near = [detail for detail in details if first <= _sent_at(detail) <= last]
    return near[0] if len(near) == 1 else None


def _sent_at(detail: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(detail["SendDate"])).replace(tzinfo=BEIJING)


def _line(
    has_arrived: bool, code: str, *, ref: str = "", gateway_ref: str = "", phone: str = ""
) -> ReceiptLine:
    if has_arrived:
        return ReceiptLine(ref, Report.DELIVERED, gateway_ref=gateway_ref, phone=phone)
    report = Report.UNREACHED if code in PASSING else Report.FAILED
    return ReceiptLine(ref, report, reason(code), gateway_ref, phone)
