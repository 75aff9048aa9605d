"""What is watched (监测规则): one list of rules, each with its severity, whom it calls, its words.

A rule has the name of its part in docs/operations.md, which says what it means and what to do.
Where Prometheus watches the same (deploy/monitoring/alerts.yml), name, severity, threshold and
patience are the same; tests/monitoring/test_rules.py holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from voting_portal.common.roles import Role

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Severity(TextChoices):
    PAGE = "PAGE", _("立即处理")  # at any hour
    TICKET = "TICKET", _("工作时间处理")


@dataclass(frozen=True)
class Rule:
    """What is raised when it is seen; `words` are filled in with what was seen."""

    name: str
    title: StrOrPromise
    words: StrOrPromise
    severity: Severity
    role: Role  # whom to call
    after: timedelta = timedelta(0)  # seen for so long first
    # What happened at a moment does not end by itself; what lasts is noted to be over.
    is_moment: bool = False

    @property
    def runbook(self) -> str:
        """Where the emergency plan says what to do."""
        return f"docs/operations.md#{self.name.lower()}"


_SECONDS = _("已%(value)s秒")
_MINUTE = timedelta(minutes=1)
CANARY_OPENED = Rule(
    "PortalCanaryOpened",
    _("有人打开了诱饵链接"),
    _("会议%(meeting)s的第%(canary)s个诱饵链接"),
    Severity.PAGE,
    Role.SECURITY,
    is_moment=True,
)
RULES = {
    rule.name: rule
    for rule in (
        # --- the same as Prometheus watches
        Rule(
            "PortalPollsNotOpened",
            _("投票已到开始时间，状态未更新"),
            _SECONDS,
            Severity.PAGE,
            Role.SYSTEM,
        ),
        Rule(
            "PortalPollsNotClosed",
            _("投票已截止，票箱尚未封存"),
            _SECONDS,
            Severity.PAGE,
            Role.SYSTEM,
        ),
        Rule(
            "PortalLogBehind",
            _("选票日志落后，确认页上的承诺逾期"),
            _SECONDS,
            Severity.PAGE,
            Role.SYSTEM,
            after=timedelta(seconds=30),
        ),
        Rule(
            "PortalConnectionsRunOut",
            _("数据库连接将用完"),
            _("已用%(value)s%%"),
            Severity.PAGE,
            Role.SYSTEM,
            after=2 * _MINUTE,
        ),
        Rule(
            "PortalTransactionHangs",
            _("有事务长时间未结束"),
            _SECONDS,
            Severity.TICKET,
            Role.SYSTEM,
            after=_MINUTE,
        ),
        Rule(
            "PortalArchiveStands",
            _("数据库归档停止"),
            _SECONDS,
            Severity.PAGE,
            Role.SYSTEM,
            after=_MINUTE,
        ),
        Rule(
            "PortalCampaignPaused",
            _("发送批次已暂停"),
            _("%(value)s个批次"),
            Severity.TICKET,
            Role.OPERATOR,
            after=5 * _MINUTE,
        ),
        Rule(
            "PortalSendingStands",
            _("有待发的批，却无人发送"),
            _("%(value)s批待发"),
            Severity.PAGE,
            Role.SYSTEM,
            after=3 * _MINUTE,
        ),
        Rule(
            "PortalMessagesFail",
            _("许多消息失败或没有结果"),
            _("状态%(what)s占%(value)s%%"),
            Severity.TICKET,
            Role.OPERATOR,
            after=5 * _MINUTE,
        ),
        Rule(
            "PortalQueueOld",
            _("队列中有一项等待过久"),
            _("%(what)s：已%(value)s秒"),
            Severity.TICKET,
            Role.SYSTEM,
            after=_MINUTE,
        ),
        Rule(
            "PortalPurgeOverdue",
            _("个人信息逾期未删除"),
            _("%(what)s：已%(value)s小时"),
            Severity.TICKET,
            Role.SYSTEM,
            after=10 * _MINUTE,
        ),
        Rule(
            "PortalQueueLong",
            _("队列过长"),
            _("%(what)s:%(value)s项"),
            Severity.TICKET,
            Role.SYSTEM,
            after=2 * _MINUTE,
        ),
        Rule(
            "PortalLinksGuessed",
            _("有人试探投票链接，或短信中的链接有误"),
            _("一分钟内%(value)s个无效链接"),
            Severity.TICKET,
            Role.SECURITY,
        ),
        # --- seen by the portal alone
        CANARY_OPENED,
        Rule(
            "PortalFailuresRise",
            _("身份核验失败激增"),
            _("%(what)s：一分钟内%(value)s次"),
            Severity.TICKET,
            Role.SECURITY,
        ),
        Rule(
            "PortalCodesSpent",
            _("验证码或第三方核验的用量异常"),
            _("%(what)s：一分钟内%(value)s次"),
            Severity.PAGE,
            Role.SECURITY,
        ),
        Rule(
            "PortalStaffGuessed",
            _("有人试探工作人员的密码或验证码"),
            _("%(what)s"),
            Severity.TICKET,
            Role.SECURITY,
            is_moment=True,
        ),
        Rule(
            "PortalStaffElsewhere",
            _("同一工作人员一小时内从两处网络登录"),
            _("%(what)s"),
            Severity.TICKET,
            Role.SECURITY,
            is_moment=True,
        ),
        Rule(
            "PortalFiguresAsked",
            _("有人在截止前索取表决数字"),
            _("%(what)s"),
            Severity.TICKET,
            Role.SECURITY,
            is_moment=True,
        ),
        Rule(
            "PortalRecordsUnmasked",
            _("同一人员一小时内查看多位股东的登记信息"),
            _("%(what)s：%(value)s次"),
            Severity.TICKET,
            Role.SECURITY,
            is_moment=True,
        ),
        Rule(
            "PortalJournalBroken",
            _("会务日志的链断开，有记录被改动"),
            _("自第%(value)s条起"),
            Severity.PAGE,
            Role.SECURITY,
        ),
        Rule(
            "PortalGatewaySick",
            _("通道状况不佳"),
            _("%(value)s分：%(what)s"),
            Severity.TICKET,
            Role.OPERATOR,
        ),
    )
}
