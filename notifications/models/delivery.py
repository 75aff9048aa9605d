"""One message to one holder: its batch, its state, and what its gateway reports of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Holder
from notifications.models.campaign import Campaign
from voting_portal.common import ids
from voting_portal.common.constraints import one_of


class DeliveryBatch(models.Model):
    """Up to 500 deliveries of one step and gateway, that one worker claims at a time."""

    class State(models.TextChoices):
        READY = "READY", _("待发")
        LEASED = "LEASED", _("发送中")
        DONE = "DONE", _("已处理")

    class Recall(models.TextChoices):
        NONE = "", _("不撤回")
        DUE = "DUE", _("待撤回")
        DONE = "DONE", _("已请求撤回")

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="batches")
    step = models.PositiveSmallIntegerField(default=0)  # of the campaign's plan
    gateway = models.CharField(max_length=30)
    # of all its phones, where the plan asks; blank: of any carrier
    carrier = models.CharField(max_length=9, blank=True)
    state = models.CharField(max_length=6, choices=State, default=State.READY)
    # something of it left, so it stays with its gateway, whose reports are awaited
    is_begun = models.BooleanField(db_default=False)
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    # after its campaign was cancelled: see recalling.py
    recall = models.CharField(max_length=4, choices=Recall, blank=True, db_default="")
    recall_asked = models.PositiveSmallIntegerField(db_default=0)
    recall_taken = models.PositiveSmallIntegerField(db_default=0)

    class Meta:
        constraints = [
            one_of("state", "READY LEASED DONE", name="batch_state_known"),
            models.CheckConstraint(
                condition=Q(recall__in=["", "DUE", "DONE"]), name="batch_recall_known"
            ),
            models.CheckConstraint(condition=Q(step__lt=8), name="batch_step_fits_id"),
        ]
        indexes = [
            # read by tasks.ring and run_gateway: what waits for a gateway, oldest first
            models.Index(fields=["gateway", "id"], condition=Q(state="READY"), name="batch_ready"),
            # read by claims.is_unfinished and campaigns.finish_campaigns
            models.Index(
                fields=["campaign"], condition=Q(state__in=["READY", "LEASED"]), name="batch_open"
            ),
            # read by recalling.recall_waiting
            models.Index(fields=["id"], condition=Q(recall="DUE"), name="batch_recall_due"),
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
        NETWORK = 40, _("已到达网络")
        UNREACHED = 45, _("暂未送达")  # another message to the same phone may well arrive
        EXPIRED = 46, _("已过期")
        FAILED = 50, _("发送失败")
        DELIVERED = 60, _("已送达")
        DISPLAYED = 70, _("已阅读")

    id = models.BigIntegerField(primary_key=True)
    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    batch = models.ForeignKey(
        DeliveryBatch, models.DO_NOTHING, db_constraint=False, related_name="deliveries"
    )
    state = models.PositiveSmallIntegerField(_("状态"), choices=State, default=State.QUEUED)
    gateway_ref = models.CharField(max_length=64, blank=True)
    # the gateway's code, or why it was skipped
    reason = models.CharField(_("原因"), max_length=40, blank=True)
    # it certainly did not arrive, and the plan's next step has not been taken yet
    is_next_due = models.BooleanField(default=False)
    changed_at = models.DateTimeField(_("最近变化"))

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("发送记录")
        verbose_name_plural = _("发送记录")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"delivery to holder {ids.holder_of_delivery(self.pk)}"
