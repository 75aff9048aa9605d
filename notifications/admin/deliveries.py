"""A campaign's deliveries one by one: the list, the file and the dead letters, all masked.

While they could tell who has voted there is none of the three, for nobody.
"""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from ballots.opening import note_attempt
from meetings import journal
from notifications.dead_letters import count_unmatched, dead_letters
from notifications.export import delivery_lines
from notifications.models import Campaign, Delivery
from notifications.progress import tells_of_votes
from voting_portal.admin import actor_of, require_role
from voting_portal.common import ids
from voting_portal.common.roles import AT_MEETINGS

DELIVERIES_ON_A_PAGE = 100


def open_campaign(request: HttpRequest, campaign_id: int, *, what: str) -> Campaign:
    """The campaign with its meeting and issuer; Http404 without one.

    While its deliveries tell of votes asking is an attempt: it is journalled and forbidden.
    """
    require_role(request, *AT_MEETINGS)
    campaign = get_object_or_404(Campaign.objects.select_related("meeting__issuer"), pk=campaign_id)
    if tells_of_votes(campaign):
        note_attempt(
            campaign.meeting_id, by=actor_of(request), now=timezone.now(), what=f"deliveries.{what}"
        )
        raise PermissionDenied
    return campaign


@require_GET
def list_deliveries(request: HttpRequest, campaign_id: int, site: admin.AdminSite) -> HttpResponse:
    """The deliveries in the order of the register; `?state=` and `?after=` a delivery's id."""
    campaign = open_campaign(request, campaign_id, what="list")
    state, after = request.GET.get("state", ""), request.GET.get("after", "")
    first, end = ids.holder_range(campaign.meeting_id)
    found = (
        Delivery.objects.of_campaign(campaign)
        .filter(holder__id__gte=first, holder__id__lt=end)
        .select_related("holder", "batch")
        .order_by("id")
    )
    if state.isdecimal():
        found = found.filter(state=int(state[:4]))
    if after.isdecimal():
        found = found.filter(id__gt=min(int(after[:19]), 2**63 - 1))
    deliveries = list(found[: DELIVERIES_ON_A_PAGE + 1])
    page = deliveries[:DELIVERIES_ON_A_PAGE]
    context = {
        **site.each_context(request),
        "title": _("发送记录"),
        "campaign": campaign,
        "deliveries": page,
        "after": page[-1].pk if len(deliveries) > len(page) else None,
        "state": state,
        "states": [(str(value), label) for value, label in Delivery.State.choices],
    }
    return render(request, "admin/notifications/campaign/deliveries.html", context)


@require_GET
def export_deliveries(request: HttpRequest, campaign_id: int) -> StreamingHttpResponse:
    """All deliveries as CSV straight from the database."""
    campaign = open_campaign(request, campaign_id, what="export")
    journal.record(
        campaign.meeting_id,
        "campaign.exported",
        by=actor_of(request),
        at=timezone.now(),
        campaign=campaign.number,
    )
    code = campaign.meeting.issuer.security_code
    name = f"{code}-{campaign.meeting.meeting_date:%Y%m%d}-campaign-{campaign.number}.csv"
    return StreamingHttpResponse(
        delivery_lines(campaign),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_GET
def show_dead_letters(
    request: HttpRequest, campaign_id: int, site: admin.AdminSite
) -> HttpResponse:
    """What did not arrive, or may not have, with what may be done about it."""
    campaign = open_campaign(request, campaign_id, what="dead letters")
    context = {
        **site.each_context(request),
        "title": _("未达记录"),
        "campaign": campaign,
        "letters": dead_letters(campaign),
        "unmatched": count_unmatched(campaign),
        "retry": Delivery.State.UNREACHED,
        "release": Delivery.State.UNKNOWN,
        "may_send_again": campaign.state
        in (Campaign.State.RUNNING, Campaign.State.PAUSED, Campaign.State.DONE),
    }
    return render(request, "admin/notifications/campaign/dead_letters.html", context)
