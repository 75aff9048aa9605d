"""5G阅信 by Huawei KooMessage (智能信息): an SMS whose short link the phone draws as a card.

A task makes a short link of its own for each of up to 100 phones and sends the messages; where a
phone draws no card the link leads to the holder's own page. Such a link dies after a week. Receipts
of the SMS and of the card both name the task and the phone, so no phone is twice in a task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways import canonical
from voting_portal.gateways.http_exchange import Answer, Endpoint, Verdict, attempt, judge, reason
from voting_portal.gateways.phones import national
from voting_portal.gateways.protocol import (
    CannotAsk,
    Kind,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptAnswer,
    ReceiptLine,
    Report,
    Result,
)
from voting_portal.gateways.templates import Template, read_templates, requests_of

LINK_DAYS = 7  # the longest that the platform keeps a personal link
DELIVERED = {"DELIVRD", "Deliverd"}
PASSING = {"EXPIRED"}
NO_LINK = "NO_LINK"
REASONS: dict[str, Promise] = {
    "NO_TEMPLATE": _("没有适用的短信模板"),
    NO_LINK: _("未能生成个人链接"),
    "EXPIRED": _("在有效期内未送达"),
    "UNDELIV": _("未能送达"),
    "REJECTD": _("运营商拒绝"),
}


class KooMessage:
    """An account of the platform, as both ways of sending its cards need it."""

    kind = Kind.CARD
    reasons: Mapping[str, Promise] = REASONS
    receipt_answer = ReceiptAnswer(200, b'{"status":"200","message":"success"}')
    lookup_size = 100
    link_days = LINK_DAYS

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = min(int(options.get("batch_size", 100)), 100)
        self.lookup_rate = float(options.get("lookup_rate", 5))
        self._endpoint = Endpoint(options["url"], ca_file=options.get("ca_file", ""))
        self._key_id, self._secret = options["access_key_id"], options["access_key_secret"]
        self._templates = read_templates(name, options, takes_links=True)

    def supports(self, phones: Sequence[str]) -> dict[str, bool]:
        """Asked by the digest that the platform knows, so that no number leaves for a question."""
        digests = {sha1_of(phone): phone for phone in phones}
        content = {
            "tpl_id": self._templates[0].code,
            "mobiles": list(digests),
            "encryption_alg": "SHA1",
        }
        answer = attempt(lambda: self._call("/v1/aim/mobile-capabilities/check", content))
        found = content_of(answer)
        if "supported_mobiles" not in found and "unsupported_mobiles" not in found:
            code = answer.reason if isinstance(answer, Verdict) else f"HTTP {answer.status}"
            raise CannotAsk(f"mobile-capabilities: {code}")
        yes, no = found.get("supported_mobiles") or [], found.get("unsupported_mobiles") or []
        known = {**dict.fromkeys(no, False), **dict.fromkeys(yes, True)}
        return {phone: known[digest] for digest, phone in digests.items() if digest in known}

    def _call(self, path: str, content: Mapping[str, Any]) -> Answer:
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "host": self._endpoint.host,
            "content-type": "application/json",
            "x-sdk-date": timezone.now().strftime("%Y%m%dT%H%M%SZ"),
        }
        signed = sorted(headers)
        request = canonical.Request("POST", self._endpoint.path + path, headers, body)
        signature = canonical.sdk(request, signed, secret=self._secret)
        headers["Authorization"] = (
            f"SDK-HMAC-SHA256 Access={self._key_id}, "
            f"SignedHeaders={';'.join(signed)}, Signature={signature}"
        )
        return self._endpoint.exchange("POST", path, body, headers)


class YuexinGateway(KooMessage):
    """Options: `url`, `access_key_id`, `access_key_secret`, `templates`, `sms_template`, `rate`.

    And `channel_number`, `sign_name`, `app_name` of the SMS channel. `templates` are the cards,
    `sms_template` is the text that holds the short link.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        texts = {"templates": [options["sms_template"]]}
        (self._text,) = read_templates(name, texts, takes_links=True)
        self._channel = {
            "channel_number": options["channel_number"],
            "sms_tpl_id": self._text.code,
            "sms_sign": options["sign_name"],
            "sms_app_name": options["app_name"],
        }

    def send(self, messages: Sequence[Message]) -> list[Result]:
        results = {
            result.ref: result
            for template, some in requests_of(self._templates, messages)
            for result in self._send_task(template, some)
        }
        return [results[message.ref] for message in messages]

    def read_receipts(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - nothing is signed: the address is the secret
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002
    ) -> list[ReceiptLine]:
        """What became of the SMS (`sms`), or that a phone drew the card (`shortchain`)."""
        try:
            content = json.loads(body)
            said = json.loads(content["body"])
            items = said if isinstance(said, list) else [said]
            read = {"sms": _line_of_sms, "shortchain": _line_of_card}[content["callback_type"]]
            return [line for item in items if (line := read(item)) is not None]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _send_task(self, template: Template | None, messages: Sequence[Message]) -> list[Result]:
        if template is None or not all(self._text.fits(message) for message in messages):
            lacking = Verdict(Outcome.MISCONFIGURED, "NO_TEMPLATE")
            return [lacking.on(message) for message in messages]
        content = {
            "task_name": messages[0].ref,
            "sms_channel": self._channel,
            "resolve_task": {
                "tpl_id": template.code,
                "resolve_times": 1,
                "aim_code_type": "individual",
                "expiration_time": LINK_DAYS,
                "params": [self._parameters(template, message) for message in messages],
            },
        }
        answer = attempt(lambda: self._call("/v1/aim/send-tasks", content))
        if isinstance(answer, Verdict):
            return [answer.on(message) for message in messages]
        task = content_of(answer)
        verdict = judge(answer) or _verdict(task)
        if (code := task.get("error_code")) and verdict.outcome is Outcome.MISCONFIGURED:
            verdict = Verdict(verdict.outcome, reason(code))
        without_link = _phones(task.get("failed_short_chains"))
        no_link = Verdict(Outcome.REJECTED, NO_LINK)
        return [(no_link if national(m.phone) in without_link else verdict).on(m) for m in messages]

    def _parameters(self, template: Template, message: Message) -> dict[str, Any]:
        return {
            "cust_flag": national(message.phone),
            "custom_url": message.link,
            "dync_params": template.fill(message),
            "sms_params": list(self._text.fill(message).values()),
        }


def _verdict(task: Mapping[str, Any]) -> Verdict:
    number = str(task.get("task_id") or "")[:64]
    match task.get("task_state"):
        case "Success" if number:
            return Verdict(Outcome.ACCEPTED, gateway_ref=number, refs=(number,))
        case "Failed":
            return Verdict(Outcome.REJECTED, "Failed")
    return Verdict(Outcome.UNKNOWN, "unreadable answer")


def content_of(answer: Answer | Verdict) -> dict[str, Any]:
    """The object that an answer holds, by itself or under `data`; empty when there is none."""
    if isinstance(answer, Verdict):
        return {}
    try:
        content = json.loads(answer.body)
    except ValueError:
        return {}
    if isinstance(content, dict) and isinstance(content.get("data"), dict):
        content = content["data"]
    return content if isinstance(content, dict) else {}


def _phones(failed: object) -> set[str]:
    items = failed if isinstance(failed, list) else []
    return {national(str(item.get("cust_flag", ""))) for item in items if isinstance(item, dict)}


def _line_of_sms(item: Mapping[str, Any]) -> ReceiptLine:
    status, phone = str(item["send_status"]), national(str(item["cust_flag"]))
    if status in DELIVERED:
        return ReceiptLine("", Report.DELIVERED, "", str(item["task_id"])[:64], phone)
    report = Report.UNREACHED if status in PASSING else Report.FAILED
    return ReceiptLine("", report, reason(status), str(item["task_id"])[:64], phone)


def _line_of_card(item: Mapping[str, Any]) -> ReceiptLine | None:
    """The card was drawn; one that was not is still an SMS with a link."""
    if item["status"] != 0:
        return None
    phone = national(str(item["cust_flag"]))
    return ReceiptLine("", Report.DISPLAYED, "", str(item["task_id"])[:64], phone)


def sha1_of(phone: str) -> str:
    return hashlib.sha1(f"86{national(phone)}".encode(), usedforsecurity=False).hexdigest()
