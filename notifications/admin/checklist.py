"""What the post office adds to a meeting's checklist: whether its holders were told."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from meetings.admin.checklist import CHECKS, Item
from meetings.models import Meeting
from notifications.models import Campaign

State = Meeting.State
TOLD = (Campaign.State.RUNNING, Campaign.State.PAUSED, Campaign.State.DONE)


def _notice(meeting: Meeting) -> Iterator[Item]:
    if meeting.state not in (State.INVITED, State.OPEN):
        return
    notices = Campaign.objects.filter(meeting=meeting, kind=Campaign.Kind.NOTICE)
    newest = notices.exclude(state=Campaign.State.CANCELLED).order_by("-number").first()
    if newest is None:
        address = reverse("admin:notifications_campaign_add", query={"meeting": meeting.pk})
        yield Item(_("尚未制定会议通知的发送批次"), False, address)
        return
    address = reverse("admin:notifications_campaign_change", args=[newest.pk])
    label = _("会议通知：%(state)s") % {"state": newest.get_state_display()}
    yield Item(label, newest.state in TOLD, address)


CHECKS.append(_notice)
