"""What identity puts on somebody's desk: roles to grant, old links to end."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from identity.models import RoleGrant
from meetings.live import LIVE_STATES
from meetings.models import MeetingKey
from voting_portal.common.roles import Role
from voting_portal.desk import MOST_OF_A_SOURCE, WAITING, Waiting


def roles_to_grant() -> Iterator[Waiting]:
    grants = RoleGrant.objects.filter(granted_by="").select_related("user").order_by("id")
    for grant in grants[:MOST_OF_A_SOURCE]:
        address = reverse("admin:identity_rolegrant_change", args=[grant.pk])
        subject = grant.user.get_username()
        yield Waiting(
            Role.SECURITY, _("批准岗位"), subject, address, grant.asked_by, grant.asked_at
        )


def links_to_end() -> Iterator[Waiting]:
    keys = MeetingKey.objects.filter(
        purpose=MeetingKey.Purpose.LINKS, wrapped__isnull=False, meeting__state__in=LIVE_STATES
    )
    renewed = (
        keys.values("meeting_id")
        .annotate(keys=Count("id"), newest=Max("id"))
        .filter(keys__gt=1)
        .values_list("newest", flat=True)[:MOST_OF_A_SOURCE]
    )
    newest = MeetingKey.objects.filter(pk__in=list(renewed)).select_related("meeting__issuer")
    for key in newest.order_by("id"):
        address = reverse("admin:meeting-links", args=[key.meeting_id])
        label = _("停用旧投票链接")
        yield Waiting(Role.SECURITY, label, str(key.meeting), address, key.made_by, key.made_at)


WAITING += [roles_to_grant, links_to_end]
