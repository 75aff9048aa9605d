"""What the ballots add to a meeting's checklist: files of the other channels."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext as _

from ballots.models import Channel, VoteImport
from meetings.admin.checklist import CHECKS, Item
from meetings.models import Meeting


def _other_channels(meeting: Meeting) -> Iterator[Item]:
    if meeting.state != Meeting.State.CLOSED:
        return
    address = reverse("admin:vote-import", args=[meeting.pk])
    there = set(VoteImport.objects.filter(meeting=meeting).values_list("channel", flat=True))
    for channel in Channel:
        label = _("%(channel)s的投票文件") % {"channel": channel.label}
        yield Item(label, channel in there, address, is_needed=False)


CHECKS.append(_other_channels)
