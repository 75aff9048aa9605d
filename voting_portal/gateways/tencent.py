"""Tencent's SMS (腾讯云短信 2021-01-11): registered templates, one number a request.

A request may name 200 numbers but fills the template alike for all, so a personal text goes alone.
SessionContext carries our own reference there and back; SerialNo is the carrier's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

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
    send_each,
)
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
from voting_portal.gateways.templates import choose, read_templates

SERVICE, VERSION = "sms", "2021-01-11"
QUERY_HOURS = 72
# Of one number or text; every other refusal is of our account or its set-up.
OF_A_MESSAGE = {
    "FailedOperation.ContainSensitiveWord",
    "FailedOperation.PhoneNumberInBlacklist",
    "InvalidParameterValue.ContentLengthLimit",
    "InvalidParameterValue.IncorrectPhoneNumber",
    "LimitExceeded.DeliveryFrequencyLimit",
    "LimitExceeded.PhoneNumberDailyLimit",
    "LimitExceeded.PhoneNumberOneHourLimit",
    "LimitExceeded.PhoneNumberSameContentDailyLimit",
    "LimitExceeded.PhoneNumberThirtySecondLimit",
}
PASSING = {"EXPIRED", "MOBILE_POWEROFF", "MOBILE_BUSY", "LimitExceeded"}
REASONS: dict[str, Promise] = {
    "NO_TEMPLATE": _("没有适用的短信模板"),
    "FailedOperation.ContainSensitiveWord": _("内容含有禁用词"),
    "FailedOperation.InsufficientBalanceInSmsPackage": _("通道账户余额不足"),
    "FailedOperation.PhoneNumberInBlacklist": _("号码在通道的黑名单中"),
    "FailedOperation.SignatureIncorrectOrUnapproved": _("短信签名未报备"),
    "FailedOperation.TemplateIncorrectOrUnapproved": _("短信模板未报备"),
    "InvalidParameterValue.IncorrectPhoneNumber": _("号码格式不正确"),
    "LimitExceeded.PhoneNumberDailyLimit": _("该号码今日短信已达上限"),
    "LimitExceeded.DeliveryFrequencyLimit": _("该号码短信过于频繁"),
    "AuthFailure.SignatureFailure": _("通道密钥不正确"),
    "EXPIRED": _("在有效期内未送达"),
    "MOBILE_POWEROFF": _("手机关机"),
}


class TencentGateway:
    """Options: `url`, `secret_id`, `secret_key`, `app_id`, `sign_name`, `templates`, `rate`.

    And if need be `region`, and `lines`: how many requests are under way at a time.
    """

    kind = Kind.SMS
    reasons: Mapping[str, Promise] = REASONS
    receipt_answer = ReceiptAnswer(200, b'{"result":0,"errmsg":"OK"}')

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 100))
        self._lines = int(options.get("lines", 16))
        self._endpoint = Endpoint(options["url"], ca_file=options.get("ca_file", ""))
        self._secret_id, self._secret_key = options["secret_id"], options["secret_key"]
        self._app_id, self._sign_name = str(options["app_id"]), options["sign_name"]
        self._region = options.get("region", "ap-guangzhou")
        self._templates = read_templates(name, options, takes_links=False)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        return send_each(self._endpoint, messages, self._send_one, lines=self._lines)

    def query(self, handed: Sequence[Handed]) -> list[ReceiptLine]:
        """One question a message; ours is known by our reference even where no answer came."""
        lines = []
        with Line(self._endpoint) as line:
            for one in handed:
                begin = one.handed_at - timedelta(minutes=1)
                content = {
                    "SmsSdkAppId": self._app_id,
                    "PhoneNumber": international(one.phone),
                    "BeginTime": int(begin.timestamp()),
                    "EndTime": int((begin + timedelta(hours=QUERY_HOURS)).timestamp()),
                    "Offset": 0,
                    "Limit": 100,
                }
                call = functools.partial(self._call, line, "PullSmsSendStatusByPhoneNumber")
                found = _response(attempt(functools.partial(call, content))).get(
                    "PullSmsSendStatusSet"
                )
                if not isinstance(found, list):
                    raise CannotAsk("PullSmsSendStatusByPhoneNumber: no answer")
                lines += [
                    _line(item, str(item.get("ReportStatus")), str(item.get("Description")), one)
                    for item in found
                    if one.ref == item.get("SessionContext")
                    or (one.gateway_ref and one.gateway_ref == item.get("SerialNo"))
                ]
        return lines

    def read_receipts(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - nothing is signed: the address is the secret
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002
    ) -> list[ReceiptLine | Reply]:
        """Receipts come as a list, a reply alone."""
        try:
            content = json.loads(body)
            if isinstance(content, dict):
                return [Reply(national(str(content["mobile"])), str(content["text"]))]
            return [
                _line(item, str(item["report_status"]), str(item.get("errmsg", "")), None)
                for item in content
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _send_one(self, line: Line, message: Message) -> Verdict:
        template = choose(self._templates, message)
        if template is None:
            return Verdict(Outcome.MISCONFIGURED, "NO_TEMPLATE")
        content = {
            "PhoneNumberSet": [international(message.phone)],
            "SmsSdkAppId": self._app_id,
            "SignName": self._sign_name,
            "TemplateId": template.code,
            "TemplateParamSet": list(template.fill(message).values()),
            "SessionContext": message.ref,
        }
        answer = attempt(lambda: self._call(line, "SendSms", content))
        return answer if isinstance(answer, Verdict) else _verdict(answer)

    def _call(self, line: Line, action: str, content: Mapping[str, Any]) -> Answer:
        body = json.dumps(content, ensure_ascii=False).encode()
        now = timezone.now()
        headers = {
            "host": self._endpoint.host,
            "content-type": "application/json; charset=utf-8",
            "x-tc-action": action,
            "x-tc-version": VERSION,
            "x-tc-region": self._region,
            "x-tc-timestamp": str(int(now.timestamp())),
        }
        signed = ("content-type", "host")
        request = canonical.Request("POST", self._endpoint.path or "/", headers, body)
        signature = canonical.tc3(request, signed, secret=self._secret_key, service=SERVICE)
        scope = f"{now.astimezone(UTC).date().isoformat()}/{SERVICE}/tc3_request"
        headers["Authorization"] = (
            f"TC3-HMAC-SHA256 Credential={self._secret_id}/{scope}, "
            f"SignedHeaders={';'.join(signed)}, Signature={signature}"
        )
        return line.exchange("POST", "" if self._endpoint.path else "/", body, headers)


def _response(answer: Answer | Verdict) -> dict[str, Any]:
    if isinstance(answer, Verdict):
        return {}
    try:
        response = json.loads(answer.body)["Response"]
    except (ValueError, KeyError, TypeError):
        return {}
    return response if isinstance(response, dict) else {}


def _verdict(answer: Answer) -> Verdict:
    """What an answer to SendSms makes certain."""
    response = _response(answer)
    try:
        if "Error" in response:
            code, serial = str(response["Error"]["Code"]), ""
        else:
            (status,) = response["SendStatusSet"]
            code, serial = str(status["Code"]), str(status["SerialNo"])
    except (KeyError, TypeError, ValueError):
        return judge(answer) or Verdict(Outcome.UNKNOWN, "unreadable answer")
    if code == "Ok":
        return Verdict(Outcome.ACCEPTED, gateway_ref=serial[:64], refs=(serial[:64],))
    if code.startswith("RequestLimitExceeded"):
        return Verdict(Outcome.THROTTLED, reason(code), retry_after=1.0)
    if code.startswith("InternalError"):
        return Verdict(Outcome.UNKNOWN, reason(code))
    outcome = Outcome.REJECTED if code in OF_A_MESSAGE else Outcome.MISCONFIGURED
    return Verdict(outcome, reason(code))


def _line(item: Mapping[str, Any], status: str, code: str, asked: Handed | None) -> ReceiptLine:
    """Of a receipt, or of the answer to a question, where we know whom we asked about."""
    if status not in ("SUCCESS", "FAIL"):
        raise ValueError("no status of a message")
    ref = asked.ref if asked else str(item.get("ext", ""))
    gateway_ref = "" if asked else str(item["sid"])
    phone = "" if asked else national(str(item["mobile"]))
    if status == "SUCCESS":
        return ReceiptLine(ref, Report.DELIVERED, gateway_ref=gateway_ref, phone=phone)
    report = Report.UNREACHED if code in PASSING else Report.FAILED
    return ReceiptLine(ref, report, reason(code), gateway_ref, phone)
