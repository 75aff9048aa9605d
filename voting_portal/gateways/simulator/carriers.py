"""The carriers of one simulator: one for every gateway whose address is `SIMULATOR/NAME`."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from voting_portal.gateways.protocol import Kind
from voting_portal.gateways.simulator.carrier import (
    Answer,
    Carrier,
    Fate,
    Post,
    is_reachable,
    json_answer,
)
from voting_portal.gateways.simulator.chatbots import BotMessageCarrier, OpenChatbotCarrier
from voting_portal.gateways.simulator.clouds import AlibabaCarrier, TencentCarrier
from voting_portal.gateways.simulator.inbox import Arrival, Inbox
from voting_portal.gateways.simulator.kannel import KannelCarrier
from voting_portal.gateways.simulator.koomessage import YuexinCarrier, YuexinLinksCarrier
from voting_portal.gateways.simulator.rcs import AlibabaRcsCarrier

CUSTOMERS = 10_000  # of a simulated broker: the phones 15400000000 and on


class Partner(Carrier):
    """A broker's app: finds its customers by what webhook.py makes of their phones."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        key = self.options["phone_key"].encode()
        phones = (f"154{number:08d}" for number in range(CUSTOMERS))
        self._phones = {hmac.digest(key, p.encode(), "sha256").hex(): p for p in phones}

    def take(self, post: Post) -> Answer:
        answers, arrivals, fates = [], [], []
        for item in json.loads(post.body):
            ref, phone = item["id"], self._phones.get(item["to"])
            if phone is None:
                answers.append({"id": ref, "status": "rejected", "code": "UNKNOWN_USER"})
                continue
            answers.append({"id": ref, "status": "accepted"})
            if is_reachable(phone):
                card = (Kind.APP.value, item["title"], item["link"], "")
                arrivals.append(Arrival(ref, phone, item["text"], *card))
                fates.append(Fate(ref, "", phone, "delivered"))
            else:
                fates.append(Fate(ref, "", phone, "failed", "NO_DEVICE"))
        self.deliver(arrivals, fates)
        return json_answer(200, answers)


CARRIERS: dict[str, type[Carrier]] = {
    "http_batch": Carrier,
    "webhook": Partner,
    "alibaba": AlibabaCarrier,
    "alibaba_card": AlibabaCarrier,
    "alibaba_rcs": AlibabaRcsCarrier,
    "tencent": TencentCarrier,
    "botmessage": BotMessageCarrier,
    "openchatbot": OpenChatbotCarrier,
    "kannel": KannelCarrier,
    "yuexin": YuexinCarrier,
    "yuexin_links": YuexinLinksCarrier,
}


def hire(
    gateways: Mapping[str, Mapping[str, Any]], *, simulator_url: str, portal: str, inbox: Inbox
) -> dict[str, Carrier]:
    """A carrier for each gateway that the settings lead to `simulator_url`/NAME, by its name.

    `portal` is where the receipts go.
    """
    hired = {}
    for name, options in gateways.items():
        first = urlsplit(options["url"]).path[1:].partition("/")[0]
        is_here = options["url"].startswith(f"{simulator_url}/") and first == name
        if is_here and options["dialect"] in CARRIERS:
            url = portal + receipt_path(name, options)
            carrier = CARRIERS[options["dialect"]]
            hired[name] = carrier(
                inbox, secret=_secret_of(options), receipt_url=url, options=options
            )
    return hired


def _secret_of(options: Mapping[str, Any]) -> str:
    return str(options.get("secret", "") or options.get("sms", {}).get("secret", ""))


def receipt_path(name: str, options: Mapping[str, Any]) -> str:
    """Where a carrier posts its receipts, with the secret of the gateway if it has one."""
    key = options.get("receipt_key", "")
    return f"/gateway/{name}/receipts" + (f"/{key}" if key else "")
