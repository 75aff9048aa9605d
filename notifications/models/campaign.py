"""What is said to whom by which ways, and how far it has come."""

from __future__ import annotations

from datetime import time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from voting_portal.common.constraints import one_of

BAD_HOURS = _("发送时段须在8:00至22:00之间，且开始早于结束。")


class Campaign(models.Model):
    """One notice to one audience, by the steps of a channel plan (发送批次)."""

    class Kind(models.TextChoices):
        NOTICE = "NOTICE", _("会议通知")
        REMINDER = "REMINDER", _("催投提醒")
        CORRECTION = "CORRECTION", _("更正通知")
        RESULT = "RESULT", _("结果通知")

    class State(models.TextChoices):
        PLANNING = "PLANNING", _("正在确定发送对象")
        DRAFT = "DRAFT", _("草稿")
        APPROVED = "APPROVED", _("已复核")
        RUNNING = "RUNNING", _("发送中")
        PAUSED = "PAUSED", _("已暂停")
        DONE = "DONE", _("已完成")
        CANCELLED = "CANCELLED", _("已取消")

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="campaigns", verbose_name=_("股东会")
    )
    number = models.PositiveSmallIntegerField(editable=False)  # in the meeting, from 0
    kind = models.CharField(_("类型"), max_length=10, choices=Kind, default=Kind.NOTICE)
    # [[{"gateway": "rcs", "weight": 1}, ...], ...]: steps in their order; see routing.py
    plan = models.JSONField(_("发送方案"))
    # One for gateways that carry personal links, one for those that carry vote codes.
    wording = models.TextField(_("短信文字（个人链接）"), max_length=500, blank=True)
    code_wording = models.TextField(_("短信文字（投票码）"), max_length=500, blank=True)
    send_from = models.TimeField(_("每日发送开始"), default=time(9))
    send_until = models.TimeField(_("每日发送结束"), default=time(20, 30))
    start_at = models.DateTimeField(_("定时开始"), null=True, blank=True)
    alarm_percent = models.PositiveSmallIntegerField(
        _("自动暂停的失败比例（%）"),
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    state = models.CharField(
        _("状态"), max_length=9, choices=State, default=State.DRAFT, editable=False
    )
    pause_reason = models.CharField(_("暂停原因"), max_length=200, blank=True, editable=False)
    created_by = models.CharField(_("创建人"), max_length=60, editable=False)
    approved_by = models.CharField(_("复核人"), max_length=60, blank=True, editable=False)
    planned = models.PositiveIntegerField(_("发送对象数"), default=0, editable=False)
    # While its audience is being frozen: the last holder looked at, by its number in the register.
    looked_at = models.PositiveIntegerField(default=0, editable=False)
    planning_since = models.DateTimeField(null=True, editable=False)
    # What its approver read: see preview.py.
    preview = models.JSONField(default=dict, editable=False)
    started_at = models.DateTimeField(_("开始时间"), null=True, editable=False)
    done_at = models.DateTimeField(_("完成时间"), null=True, editable=False)

    class Meta:
        verbose_name = _("发送批次")
        verbose_name_plural = _("发送批次")
        constraints = [
            one_of("kind", "NOTICE REMINDER CORRECTION RESULT", name="campaign_kind_known"),
            one_of(
                "state",
                "PLANNING DRAFT APPROVED RUNNING PAUSED DONE CANCELLED",
                name="campaign_state_known",
            ),
            models.UniqueConstraint(fields=["meeting", "number"], name="campaign_number_once"),
            models.CheckConstraint(condition=Q(number__lt=1024), name="campaign_number_fits_id"),
            models.CheckConstraint(
                condition=~Q(approved_by=F("created_by")), name="campaign_second_person"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["PLANNING", "DRAFT", "CANCELLED"]) | ~Q(approved_by=""),
                name="campaign_sent_is_approved",
            ),
            models.CheckConstraint(
                condition=Q(
                    send_from__gte=time(8), send_from__lt=F("send_until"), send_until__lte=time(22)
                ),
                name="campaign_at_decent_hours",
                violation_error_message=BAD_HOURS,
            ),
            models.CheckConstraint(
                condition=Q(alarm_percent__gte=1, alarm_percent__lte=100),
                name="campaign_alarm_is_percent",
            ),
        ]
        indexes = [
            # read by campaigns.plan_waiting
            models.Index(fields=["id"], condition=Q(state="PLANNING"), name="campaign_planning"),
            # read by campaigns.start_due: what a person approved for a later hour
            models.Index(
                fields=["start_at"],
                condition=Q(state="APPROVED", start_at__isnull=False),
                name="campaign_scheduled",
            ),
        ]

    def __str__(self) -> str:
        words = _("%(meeting)s %(kind)s（第%(number)d批）")
        kind = self.get_kind_display()
        return words % {"meeting": self.meeting, "kind": kind, "number": self.number + 1}
