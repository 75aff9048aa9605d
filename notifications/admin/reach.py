"""How far a meeting's notices reach, as a page of the meeting."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from meetings.admin.steps import LINKS, Link
from meetings.lifecycle import BEFORE_INVITATION
from meetings.models import Meeting
from notifications import charts, reach
from notifications.models import Campaign
from notifications.progress import notices_by_hour
from voting_portal.admin import require_role
from voting_portal.common.roles import AT_MEETINGS


@require_GET
def reach_page(request: HttpRequest, meeting_id: int, site: admin.AdminSite) -> HttpResponse:
    """The funnel from the register to the vote, and the campaigns that it is made of."""
    require_role(request, *AT_MEETINGS)
    meeting = get_object_or_404(Meeting.objects.select_related("issuer"), pk=meeting_id)
    stages = reach.reach(meeting)
    hours = notices_by_hour(meeting.pk, now=timezone.now())[-charts.MOST_HOURS :]
    context = {
        **site.each_context(request),
        "title": _("送达漏斗"),
        "meeting": meeting,
        "stages": stages,
        "funnel": charts.funnel(stages),
        "hours": hours,
        "columns": charts.columns(hours),
        "campaigns": Campaign.objects.filter(meeting=meeting).order_by("-number"),
    }
    return render(request, "admin/notifications/meeting/reach.html", context)


_AFTER_INVITATION = tuple(state for state in Meeting.State if state not in BEFORE_INVITATION)
LINKS.append(Link(_("送达漏斗"), _AFTER_INVITATION, "admin:meeting-reach"))
