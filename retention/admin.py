"""Staff at the end of a meeting: when its personal data goes, what puts that off, its report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from meetings.admin.steps import LINKS, Link
from meetings.models import Meeting
from retention import asking, periods
from retention.models import Hold, Purge
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import AT_MEETINGS, Role

# What a button does, and whose it is.
ACTS: dict[str, tuple[Role, Callable[..., object]]] = {
    "ask": (Role.OPERATOR, asking.ask_early),
    "approve": (Role.APPROVER, asking.approve),
    "hold": (Role.OPERATOR, asking.place_hold),
    "lift": (Role.APPROVER, asking.lift_hold),
}


@require_http_methods(["GET", "HEAD", "POST"])
def retention_page(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """The period of a meeting and what may be done about it; POST does it, or says why not."""
    require_role(request, *AT_MEETINGS)
    meeting = get_object_or_404(Meeting.objects.select_related("issuer"), pk=meeting_id)
    if request.method == "POST":
        role, act = ACTS.get(request.POST.get("act", ""), (None, None))
        if role is None or act is None:
            raise Http404
        require_role(request, role)
        words = {"reason": request.POST.get("reason", "")[:300]} if act is asking.place_hold else {}
        try:
            act(meeting_id, by=actor_of(request), now=timezone.now(), **words)
        except asking.CannotPurge as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("已登记。"))
        return redirect("admin:meeting-retention", meeting_id)
    purge = Purge.objects.filter(meeting=meeting).first()
    context = {
        **site.each_context(request),
        "title": _("个人信息的保存与删除"),
        "meeting": meeting,
        "period": periods.period_of(meeting_id),
        "purge": purge,
        "hold": Hold.objects.filter(meeting=meeting, lifted_at=None).first(),
        "is_overdue": purge is None or purge.stage != Purge.Stage.DONE,
        "now": timezone.now(),
    }
    return render(request, "admin/retention/meeting.html", context)


@require_GET
def report(request: HttpRequest, meeting_id: int) -> HttpResponse:
    """The signed report of a purge that is done."""
    require_role(request, *AT_MEETINGS)
    purge = get_object_or_404(Purge, meeting=meeting_id, stage=Purge.Stage.DONE)
    name = f'attachment; filename="deleted-{meeting_id}.txt"'
    return HttpResponse(
        purge.report,
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": name},
    )


@admin.register(Purge)
class PurgeAdmin(OperatorAdmin):
    """All deletions; above them the meetings whose period is over and whose data is still there."""

    fields = (
        *("meeting", "cause", "stage", "problem", "asked_by", "asked_at"),
        *("approved_by", "approved_at", "exported_at", "done_at"),
    )
    list_display = ("meeting", "cause", "stage", "asked_at", "done_at", "problem")
    list_filter = ("stage", "cause")
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code",)
    ordering = ("-id",)
    change_list_template = "admin/retention/purge/change_list.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        overdue = [period.meeting_id for period in periods.due(now=timezone.now())]
        meetings = Meeting.objects.select_related("issuer").filter(pk__in=overdue).order_by("pk")
        return super().changelist_view(request, {**(extra_context or {}), "overdue": meetings})

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        site = {"site": self.admin_site}
        return [
            path("meeting/<int:meeting_id>/", wrap(retention_page), site, name="meeting-retention"),
            path("meeting/<int:meeting_id>/report/", wrap(report), name="purge-report"),
            *super().get_urls(),
        ]


LINKS.append(Link(_("个人信息保存期限"), tuple(Meeting.State), "admin:meeting-retention"))
