"""Messages to holders. PostgreSQL is the truth about each; Redis only rings the workers."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Holder, Meeting
from voting_portal.common import ids
from voting_portal.common.constraints import one_of


class Campaign(models.Model):
    """One notice to one audience by one gateway (发送批次)."""

    class State(models.TextChoices):
        DRAFT = "DRAFT", _("草稿")
        APPROVED = "APPROVED", _("已复核")
        RUNNING = "RUNNING", _("发送中")
        PAUSED = "PAUSED", _("已暂停")
        DONE = "DONE", _("已完成")
        CANCELLED = "CANCELLED", _("已取消")

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, related_name="campaigns", verbose_name=_("股东会")
    )
    number = models.PositiveSmallIntegerField(editable=False)  # in the meeting, from 0
    gateway = models.CharField(_("通道"), max_length=30, default="sms")
    wording = models.TextField(_("短信文字"), max_length=500)
    state = models.CharField(
        _("状态"), max_length=9, choices=State, default=State.DRAFT, editable=False
    )
    pause_reason = models.CharField(_("暂停原因"), max_length=200, blank=True, editable=False)
    created_by = models.CharField(_("创建人"), max_length=60, editable=False)
    approved_by = models.CharField(_("复核人"), max_length=60, blank=True, editable=False)
    planned = models.PositiveIntegerField(_("发送对象数"), default=0, editable=False)
    started_at = models.DateTimeField(_("开始时间"), null=True, editable=False)
    done_at = models.DateTimeField(_("完成时间"), null=True, editable=False)

    class Meta:
        verbose_name = _("发送批次")
        verbose_name_plural = _("发送批次")
        constraints = [
            one_of(
                "state",
                "DRAFT APPROVED RUNNING PAUSED DONE CANCELLED",
                name="campaign_state_known",
            ),
            models.UniqueConstraint(fields=["meeting", "number"], name="campaign_number_once"),
            models.CheckConstraint(condition=Q(number__lt=1024), name="campaign_number_fits_id"),
            models.CheckConstraint(
                condition=~Q(approved_by=F("created_by")), name="campaign_second_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meeting} #{self.number}"


class DeliveryBatch(models.Model):
    """Up to 500 deliveries that one worker claims at a time."""

    class State(models.TextChoices):
        READY = "READY", _("待发")
        LEASED = "LEASED", _("发送中")
        DONE = "DONE", _("已处理")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="batches")
    state = models.CharField(max_length=6, choices=State, default=State.READY)
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [one_of("state", "READY LEASED DONE", name="batch_state_known")]
        indexes = [
            # read by tasks.ring: what waits, oldest first
            models.Index(fields=["campaign", "id"], condition=Q(state="READY"), name="batch_ready"),
            # read by the reaper: leases that ran out
            models.Index(fields=["lease_until"], condition=Q(state="LEASED"), name="batch_leased"),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} of {self.campaign_id}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of_campaign(self, campaign: Campaign) -> DeliveryQuerySet:
        first, end = ids.delivery_range(campaign.meeting_id)
        return self.filter(id__gte=first, id__lt=end, batch__campaign=campaign)


class Delivery(models.Model):
    """One message to one holder (发送记录). Its state only ever rises in rank.

    The id is holder, campaign and step (common/ids.py): the same message cannot be planned twice.
    """

    class State(models.IntegerChoices):
        QUEUED = 10, _("待发")
        SKIPPED = 15, _("无需发送")
        SENDING = 20, _("提交中")
        UNKNOWN = 25, _("结果不明")
        ACCEPTED = 30, _("通道已接收")
        FAILED = 50, _("发送失败")
        DELIVERED = 60, _("已送达")

    id = models.BigIntegerField(primary_key=True)
    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    batch = models.ForeignKey(
        DeliveryBatch, models.DO_NOTHING, db_constraint=False, related_name="deliveries"
    )
    state = models.PositiveSmallIntegerField(_("状态"), choices=State, default=State.QUEUED)
    gateway_ref = models.CharField(max_length=64, blank=True)
    # the gateway's code, or why it was skipped
    reason = models.CharField(_("原因"), max_length=40, blank=True)
    changed_at = models.DateTimeField(_("最近变化"))

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("发送记录")
        verbose_name_plural = _("发送记录")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"delivery to holder {ids.holder_of_delivery(self.pk)}"


class Receipt(models.Model):
    """A delivery receipt (状态报告) that a gateway posted, applied later in batches.

    Kept as it was read, not as raw text: many carriers' receipts carry phone numbers.
    """

    gateway = models.CharField(max_length=30)
    # of gateway and raw body: a repeat is one row
    digest = models.BinaryField(max_length=32, unique=True)
    lines = models.JSONField()  # [[ref, report, reason], ...]
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()  # when to apply it, and later to try again
    applied_at = models.DateTimeField(null=True)
    matched = models.PositiveIntegerField(default=0)  # lines that named a delivery

    class Meta:
        indexes = [
            # read by tasks.apply_receipts
            models.Index(
                fields=["due_at"], condition=Q(applied_at__isnull=True), name="receipt_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"receipt {self.pk} of {self.gateway}"
