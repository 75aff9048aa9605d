"""5G阅信 in two steps: KooMessage makes the short links, our own SMS gateway sends them.

    POST {url}/v1/aim/resolve-tasks   a link of its own for each of up to 100 messages
    then the text, with that link in the place of the holder's, by the gateway in option `sms`

The platform knows a link by our reference alone, no number goes there; the phone draws the card
because the SMS bears the signature that the link was made for. A link dies after a week and is made
when its message leaves, so one that is sent again, or a reminder, has a new one. Until the SMS
leaves nothing is sent, so whatever happens in the first step is certain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from voting_portal.gateways.http_exchange import Verdict, attempt, judge, reason
from voting_portal.gateways.protocol import (
    Gateway,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptLine,
    Reply,
    Report,
    Result,
)
from voting_portal.gateways.templates import LINK, Template, requests_of
from voting_portal.gateways.yuexin import LINK_DAYS, NO_LINK, KooMessage, content_of


class YuexinLinksGateway(KooMessage):
    """Options: `url`, `access_key_id`, `access_key_secret`, `templates`, `rate`, `sign_name`.

    And `sms`: the options of the gateway that sends, in a dialect that names messages by our
    reference; `sign_name` is the signature with which its texts begin.
    """

    def __init__(self, name: str, options: Mapping[str, Any], *, sms: Gateway) -> None:
        super().__init__(name, options)
        self._sign, self._sms = options["sign_name"], sms
        self.batch_size = min(self.batch_size, sms.batch_size)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        results: dict[str, Result] = {}
        linked = []
        for template, some in requests_of(self._templates, messages):
            made = self._make_links(template, some)
            if isinstance(made, Verdict):
                results |= {message.ref: made.on(message) for message in some}
                continue
            without = Verdict(Outcome.REJECTED, NO_LINK)
            results |= {m.ref: without.on(m) for m in some if m.ref not in made}
            linked += [_with_link(m, made[m.ref]) for m in some if m.ref in made]
        if linked:
            results |= {result.ref: result for result in self._sms.send(linked)}
        return [results[message.ref] for message in messages]

    def read_receipts(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Sequence[ReceiptLine | Reply]:
        """What the SMS gateway reports, or that a phone drew the card (`shortchain`)."""
        try:
            content = json.loads(body)
            is_of_cards = isinstance(content, dict) and content["callback_type"] == "shortchain"
            if not is_of_cards:
                return self._sms.read_receipts(headers, body, now=now)
            said = json.loads(content["body"])
            items = said if isinstance(said, list) else [said]
            return [
                ReceiptLine(str(item["cust_flag"]), Report.DISPLAYED)
                for item in items
                if item["status"] == 0
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _make_links(
        self, template: Template | None, messages: Sequence[Message]
    ) -> Verdict | dict[str, str]:
        """The short links by our reference; a verdict when none was made."""
        if template is None:
            return Verdict(Outcome.MISCONFIGURED, "NO_TEMPLATE")
        content = {
            "tpl_id": template.code,
            "sms_signs": [self._sign],
            "resolving_times": 1,
            "aim_code_type": "individual",
            "expiration_time": LINK_DAYS,
            "params": [
                {
                    "cust_flag": message.ref,
                    "dync_params": template.fill(message),
                    "custom_url": message.link,
                }
                for message in messages
            ],
        }
        answer = attempt(lambda: self._call("/v1/aim/resolve-tasks", content))
        verdict = answer if isinstance(answer, Verdict) else judge(answer)
        if verdict is not None:
            # A link may have been made; a message certainly did not leave.
            is_open = verdict.outcome is Outcome.UNKNOWN
            return replace(verdict, outcome=Outcome.NOT_SENT) if is_open else verdict
        found = content_of(answer)
        if code := found.get("error_code"):
            return Verdict(Outcome.MISCONFIGURED, reason(code))
        made = found.get("params")
        links = {
            str(one.get("cust_flag")): str(one["aim_url"])
            for one in (made if isinstance(made, list) else ())
            if isinstance(one, dict) and one.get("aim_url")
        }
        return links or Verdict(Outcome.NOT_SENT, "unreadable answer")


def _with_link(message: Message, short: str) -> Message:
    """The message with the platform's short link where the holder's own was."""
    return replace(
        message,
        text=message.text.replace(message.link, short),
        link=short,
        variables={**message.variables, LINK: short},
    )
