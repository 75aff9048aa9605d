"""What reasons of deliveries mean in words for staff: ours, and the codes of carriers."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from voting_portal import gateways
from voting_portal.gateways.protocol import ExplainsReasons

REVOKED = "revoked"
OURS = {
    "voted": _("已投票"),
    "cancelled": _("发送批次已取消"),
    "opted out": _("免打扰"),
    "reached": _("前一步已送达"),
    "no capability": _("手机不支持这种消息"),
    "unreadable record": _("名册记录无法读取"),
    "no answer": _("通道没有应答"),
    "unreadable answer": _("通道的应答无法读取"),
    "no receipt": _("逾期没有状态报告"),
    REVOKED: _("已撤回"),
    "ConnectionRefusedError": _("通道拒绝连接"),
    "ConnectionResetError": _("通道中断连接"),
    "TimeoutError": _("通道超时"),
    "RemoteDisconnected": _("通道中断连接"),
    "the link broke": _("通道中断连接"),
    "IncompleteRead": _("通道的应答无法读取"),
    "BadStatusLine": _("通道的应答无法读取"),
    "in part": _("长短信只提交了一部分"),
}
FAILING = (500, 502, 503, 504)  # what a carrier's server, or one before it, says when it cannot


def known_words(gateway_name: str) -> dict[str, str]:
    """What reasons of deliveries by this gateway mean, by reason; others say no more than they say.

    A gateway that was taken out of the settings explains nothing any more.
    """
    ours = {code: str(words) for code, words in OURS.items()}
    for status in FAILING:
        ours[f"HTTP {status}"] = gettext("通道的服务器出错（%(status)s）") % {"status": status}
    if not gateways.is_usable(gateway_name):
        return ours
    gateway = gateways.gateway(gateway_name)
    if not isinstance(gateway, ExplainsReasons):
        return ours
    return {code: str(words) for code, words in gateway.reasons.items()} | ours
