"""Incidents as they were raised; a row is never deleted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from voting_portal.common.roles import Role
from voting_portal.incidents.rules import RULES, Rule, Severity


class Incident(models.Model):
    """What a rule saw about a subject (事件单), from when until when, and who dealt with it."""

    class State(models.TextChoices):
        OPEN = "OPEN", _("未处理")
        ACKNOWLEDGED = "ACKNOWLEDGED", _("处理中")
        CLOSED = "CLOSED", _("已结束")

    rule_name = models.CharField(_("规则"), max_length=40)
    subject = models.CharField(_("对象"), max_length=60, blank=True)
    severity = models.CharField(_("级别"), max_length=6, choices=Severity)
    role = models.CharField(_("呼叫岗位"), max_length=10, choices=Role)
    seen = models.JSONField(_("所见"), default=dict)
    times = models.PositiveIntegerField(_("次数"), default=1)
    raised_at = models.DateTimeField(_("发现时间"))
    last_seen_at = models.DateTimeField(_("最近一次"))
    over_at = models.DateTimeField(_("自行恢复时间"), null=True)
    state = models.CharField(_("状态"), max_length=12, choices=State, default=State.OPEN)
    acknowledged_by = models.CharField(_("接手人"), max_length=60, blank=True)
    acknowledged_at = models.DateTimeField(_("接手时间"), null=True)
    closed_by = models.CharField(_("结束人"), max_length=60, blank=True)
    closed_at = models.DateTimeField(_("结束时间"), null=True)
    finding = models.TextField(_("结论"), blank=True)

    class Meta:
        verbose_name = _("事件单")
        verbose_name_plural = _("事件单")
        constraints = [
            models.UniqueConstraint(
                fields=["rule_name", "subject"],
                condition=~Q(state="CLOSED"),
                name="incident_one_open",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="incident_severity_known"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="incident_role_known"),
            models.CheckConstraint(
                condition=Q(state__in=["OPEN", "ACKNOWLEDGED", "CLOSED"]),
                name="incident_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="ACKNOWLEDGED")
                | (~Q(acknowledged_by="") & Q(acknowledged_at__isnull=False)),
                name="incident_acknowledged_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state="CLOSED")
                | (~Q(closed_by="") & Q(closed_at__isnull=False) & ~Q(finding="")),
                name="incident_closed_with_a_finding",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_name} {self.subject}".strip()

    @property
    def rule(self) -> Rule | None:
        """The rule as it is now; None for one that is not watched any more."""
        return RULES.get(self.rule_name)

    @property
    def words(self) -> str:
        """What was seen, in words."""
        return str(self.rule.words) % self.seen if self.rule else str(self.seen)
