"""How to speak to carriers (短信网关). Knows no app: it takes a phone and a text.

The setting GATEWAYS names them: `{"sms": {"dialect": "http_batch", "url": ..., "rate": ...}}`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from voting_portal.common import waiting_places
from voting_portal.gateways.alibaba import AlibabaGateway
from voting_portal.gateways.alibaba_card import AlibabaCardGateway
from voting_portal.gateways.alibaba_rcs import AlibabaRcsGateway
from voting_portal.gateways.botmessage import BotMessageGateway
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.kannel import KannelGateway
from voting_portal.gateways.openchatbot import OpenChatbotGateway
from voting_portal.gateways.protocol import Gateway, Message, Outcome, Result
from voting_portal.gateways.sockets import SOCKET_DIALECTS, SocketGateway
from voting_portal.gateways.tencent import TencentGateway
from voting_portal.gateways.webhook import WebhookGateway
from voting_portal.gateways.yuexin import YuexinGateway
from voting_portal.gateways.yuexin_links import YuexinLinksGateway

__all__ = [
    "Gateway",
    "Message",
    "NoSuchGateway",
    "Outcome",
    "Result",
    "gateway",
    "is_usable",
    "send_now",
    "with_own_process",
]

DIALECTS: dict[str, Callable[[str, Mapping[str, Any]], Gateway]] = {
    "http_batch": HttpBatchGateway,
    "webhook": WebhookGateway,
    "alibaba": AlibabaGateway,
    "alibaba_card": AlibabaCardGateway,
    "alibaba_rcs": AlibabaRcsGateway,
    "tencent": TencentGateway,
    "botmessage": BotMessageGateway,
    "openchatbot": OpenChatbotGateway,
    "yuexin": YuexinGateway,
    "yuexin_links": lambda name, options: YuexinLinksGateway(
        name, options, sms=_own_sms(name, options)
    ),
    "kannel": KannelGateway,
    **dict.fromkeys(SOCKET_DIALECTS, SocketGateway),
}


# Dialects over HTTP whose receipts name a message by our reference.
NAMES_BY_OUR_REF = {"http_batch", "tencent", "kannel"}
logger = logging.getLogger(__name__)


def _own_sms(name: str, options: Mapping[str, Any]) -> Gateway:
    """The SMS gateway within another's options, whose address and rate it has unless it says."""
    sms = {"url": options["url"], "rate": options["rate"], **options["sms"]}
    if sms["dialect"] not in NAMES_BY_OUR_REF:
        raise ImproperlyConfigured(
            f"GATEWAYS: {name}: its sms must speak one of {', '.join(sorted(NAMES_BY_OUR_REF))}."
        )
    if settings.IS_PRODUCTION and not str(sms["url"]).startswith("https://"):
        raise ImproperlyConfigured(f"GATEWAYS: the sms of {name} must be reached over https://.")
    return DIALECTS[sms["dialect"]](name, sms)


class NoSuchGateway(Exception):
    """The settings name no gateway so."""


def gateway(name: str) -> Gateway:
    """The gateway of this name; NoSuchGateway when the settings have none."""
    options = settings.GATEWAYS.get(name)
    if options is None:
        raise NoSuchGateway(name)
    dialect = DIALECTS.get(options["dialect"])
    if dialect is None:
        known = ", ".join(sorted(DIALECTS))
        raise ImproperlyConfigured(
            f"GATEWAYS: {name} speaks {options['dialect']!r}; known dialects are {known}."
        )
    try:
        return dialect(name, options)
    except KeyError as missing:
        raise ImproperlyConfigured(f"GATEWAYS: {name} lacks {missing}.") from None


def is_usable(name: str) -> bool:
    """Whether the settings have the gateway, with options that its dialect understands.

    `manage.py check` says what is wrong with one that is not.
    """
    try:
        gateway(name)
    except (NoSuchGateway, ImproperlyConfigured, LookupError, ValueError, TypeError) as error:
        logger.error("gateway %s is put aside: %s", name, type(error).__name__)
        return False
    return True


def with_own_process() -> list[str]:
    """Names of the gateways that are sockets, held by `manage.py run_gateway NAME`."""
    return [
        name
        for name, options in settings.GATEWAYS.items()
        if getattr(DIALECTS.get(options.get("dialect", "")), "has_own_process", False)
    ]


def send_now(message: Message) -> Result:
    """Send one message at once by the gateway `sms`: a one-time code that somebody waits for.

    It does not queue behind campaigns and is not tried again; the answer is there within five
    seconds. Only ACCEPTED means that the carrier has it. THROTTLED when too many of this process
    wait for a carrier already, in vain.
    """
    try:
        with waiting_places.place():
            (result,) = gateway("sms").send([message])
    except waiting_places.NoPlace:
        return Result(message.ref, Outcome.THROTTLED, reason="no place")
    return result
