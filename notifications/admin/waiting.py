"""What the post office puts on somebody's desk: campaigns to approve, and how far others are."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from notifications.models import Campaign, DeliveryBatch
from voting_portal.common.roles import Role
from voting_portal.desk import MOST_OF_A_SOURCE, UNDER_WAY, WAITING, UnderWay, Waiting

SETTLED = Q(batches__state=DeliveryBatch.State.DONE)


def campaigns_to_approve() -> Iterator[Waiting]:
    drafts = Campaign.objects.filter(state=Campaign.State.DRAFT)
    for campaign in drafts.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        yield Waiting(
            Role.APPROVER,
            _("复核发送批次"),
            f"{campaign.meeting} {campaign.get_kind_display()}",
            reverse("admin:notifications_campaign_change", args=[campaign.pk]),
            campaign.created_by,
        )


def campaigns_under_way() -> Iterator[UnderWay]:
    """By batches that were worked through: what a batch held back tells nobody who has voted."""
    sending = Campaign.objects.filter(state__in=[Campaign.State.RUNNING, Campaign.State.PAUSED])
    counted = sending.annotate(batches_all=Count("batches"), settled=Count("batches", SETTLED))
    for campaign in counted.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        is_paused = campaign.state == Campaign.State.PAUSED
        yield UnderWay(
            _("发送%(kind)s") % {"kind": campaign.get_kind_display()},
            str(campaign.meeting),
            reverse("admin:notifications_campaign_change", args=[campaign.pk]),
            100 * campaign.settled // max(campaign.batches_all, 1),
            (campaign.pause_reason or _("已暂停")) if is_paused else "",
        )


WAITING.append(campaigns_to_approve)
UNDER_WAY.append(campaigns_under_way)
