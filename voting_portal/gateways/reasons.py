"""What a gateway's codes mean, in words for staff (失败原因)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways import NoSuchGateway, gateway
from voting_portal.gateways.protocol import ExplainsReasons

# Of any dialect: what the portal itself notes where a carrier gave no code.
OUR_OWN: dict[str, Promise] = {
    "ConnectionRefusedError": _("通道拒绝连接"),
    "ConnectionResetError": _("连接中断"),
    "RemoteDisconnected": _("连接中断"),
    "TimeoutError": _("通道没有按时应答"),
    "gaierror": _("找不到通道的地址"),
    "SSLCertVerificationError": _("通道的证书不可信"),
    "unreadable answer": _("通道的应答无法识别"),
    "no answer": _("通道没有答复这一条"),
}


def in_words(gateway_name: str, code: str) -> str:
    """The words for a code of this gateway; the code itself where nobody knows any."""
    words = _known_to(gateway_name).get(code) or OUR_OWN.get(code)
    if words is None and code.startswith("HTTP "):
        return gettext("通道应答%(code)s") % {"code": code}
    return str(words or code)


def _known_to(gateway_name: str) -> Mapping[str, Promise]:
    """The codes of a gateway; none of one that is not there any more or explains nothing."""
    try:
        known: object = gateway(gateway_name)
    except NoSuchGateway:
        return {}
    return known.reasons if isinstance(known, ExplainsReasons) else {}
