"""Alibaba's card SMS (阿里云卡片短信, 5G阅信): a card where the phone shows one, or an SMS.

SendBatchCardSms takes 100 numbers; its answer tells which of them get the card and which the SMS,
with a BizId for either. `templates` are those of cards, `sms_template` is what is fallen back to;
without one nothing is. The button's address goes apart from the blanks, so it may be personal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voting_portal.gateways.alibaba import (
    AlibabaAccount,
    all_of,
    as_json,
    content_of,
    verdict_of,
)
from voting_portal.gateways.http_exchange import Answer, Verdict
from voting_portal.gateways.phones import national
from voting_portal.gateways.protocol import CannotAsk, Kind, Message, Outcome, Result
from voting_portal.gateways.templates import Template, read_templates


class AlibabaCardGateway(AlibabaAccount):
    """Options: those of alibaba, and if need be `sms_template` like one of `templates`."""

    kind = Kind.CARD
    lookup_size = 10_000
    _action = "SendBatchCardSms"

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self.lookup_rate = float(options.get("lookup_rate", 5))
        fallback = {"templates": [options["sms_template"]] if "sms_template" in options else []}
        self._fallback = read_templates(name, fallback, takes_links=False)

    def supports(self, phones: Sequence[str]) -> dict[str, bool]:
        parameters = {
            "TemplateCode": self._templates[0].code,
            "Mobiles": as_json([national(phone) for phone in phones]),
        }
        content = self.ask("QueryMobilesCardSupport", parameters)
        try:
            found = {str(one["Mobile"]): one["Support"] for one in content["Data"]["QueryResult"]}
        except (KeyError, TypeError):
            raise CannotAsk("QueryMobilesCardSupport: unreadable answer") from None
        known = {phone: found.get(national(phone)) for phone in phones}
        return {phone: shows for phone, shows in known.items() if isinstance(shows, bool)}

    def _parameters(self, template: Template, messages: Sequence[Message]) -> dict[str, str]:
        parameters = {
            "PhoneNumberJson": as_json([national(m.phone) for m in messages]),
            "SignNameJson": as_json([self._sign_name] * len(messages)),
            "CardTemplateCode": template.code,
            "CardTemplateParamJson": as_json(
                [{"customUrl": m.link, "dyncParams": as_json(template.fill(m))} for m in messages]
            ),
            "FallbackType": "SMS" if self._fallback else "NONE",
            "OutId": messages[0].ref,
        }
        if self._fallback:
            (sms,) = self._fallback
            parameters["SmsTemplateCode"] = sms.code
            parameters["SmsTemplateParamJson"] = as_json([sms.fill(m) for m in messages])
        return parameters

    def _results(self, messages: Sequence[Message], answer: Answer | Verdict) -> list[Result]:
        content = content_of(answer)
        data = content.get("Data")
        data = data if isinstance(data, dict) else {}
        card_id, sms_id = str(data.get("BizCardId") or ""), str(data.get("BizSmsId") or "")
        verdict = verdict_of(answer, content, gateway_ref=card_id or sms_id)
        if verdict.outcome is not Outcome.ACCEPTED:
            return all_of(messages, verdict)
        by_sms = str(data.get("NotMediaMobiles") or "")
        no_card = Verdict(Outcome.REJECTED, "NO_CARD")
        by_sms_id = Verdict(Outcome.ACCEPTED, gateway_ref=sms_id[:64], refs=(sms_id[:64],))
        fallen_back = by_sms_id if sms_id else no_card
        return [(fallen_back if national(m.phone) in by_sms else verdict).on(m) for m in messages]
