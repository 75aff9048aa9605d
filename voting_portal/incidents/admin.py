"""Incidents for those who are called: read, taken on, ended with a finding."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from voting_portal.admin import OperatorAdmin, actor_of, has_role
from voting_portal.common.roles import Role
from voting_portal.incidents import raising
from voting_portal.incidents.models import Incident

SEES_ALL = frozenset({Role.SECURITY, Role.AUDITOR})
READERS = SEES_ALL | {Role.SYSTEM, Role.OPERATOR}


def seen_by(request: HttpRequest) -> QuerySet[Incident]:
    """The incidents that call one of the reader's roles; all for who watches over the others."""
    user: Any = request.user
    if has_role(request, SEES_ALL):
        return Incident.objects.all()
    return Incident.objects.filter(role__in=user.role_set)


def may_deal_with(request: HttpRequest, incident: Incident) -> bool:
    """Whoever is called, and security administrators."""
    return has_role(request, {Role(incident.role), Role.SECURITY})


@admin.register(Incident)
class IncidentAdmin(OperatorAdmin):
    readers = READERS
    list_display = ("raised_at", "severity", "title", "subject", "words", "times", "state", "role")
    list_filter = ("state", "severity", "role", "rule_name")
    search_fields = ("rule_name", "subject")
    ordering = ("-id",)
    fields = (
        *("title", "subject", "words", "severity", "role", "runbook", "state"),
        *("raised_at", "last_seen_at", "times", "over_at"),
        *("acknowledged_by", "acknowledged_at", "closed_by", "closed_at", "finding"),
    )
    readonly_fields = ("title", "words", "runbook")
    change_form_template = "admin/incidents/incident/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return seen_by(request)

    @admin.display(description=_("事项"))
    def title(self, incident: Incident) -> str:
        return str(incident.rule.title) if incident.rule else incident.rule_name

    @admin.display(description=_("所见"))
    def words(self, incident: Incident) -> str:
        return incident.words

    @admin.display(description=_("处置手册"))
    def runbook(self, incident: Incident) -> str:
        return incident.rule.runbook if incident.rule else "docs/operations.md"

    def panel(self, subject: Incident) -> dict[str, Any]:
        states = Incident.State
        return {
            "can_acknowledge": subject.state == states.OPEN,
            "can_close": subject.state != states.CLOSED,
        }

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:incident_id>/acknowledge/", wrap(acknowledge), name="incident-acknowledge"),
            path("<int:incident_id>/close/", wrap(close), name="incident-close"),
            *super().get_urls(),
        ]


@require_POST
def acknowledge(request: HttpRequest, incident_id: int) -> HttpResponse:
    """Take an incident on."""
    incident = _dealt_with(request, incident_id)
    try:
        raising.acknowledge(incident.pk, by=actor_of(request), now=timezone.now())
    except raising.CannotDealWith as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已接手。"))
    return redirect("admin:incidents_incident_change", incident.pk)


@require_POST
def close(request: HttpRequest, incident_id: int) -> HttpResponse:
    """End an incident with a finding."""
    incident = _dealt_with(request, incident_id)
    finding = request.POST.get("finding", "")[:2_000]
    try:
        raising.close_incident(
            incident.pk, finding=finding, by=actor_of(request), now=timezone.now()
        )
    except raising.CannotDealWith as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已结束。"))
    return redirect("admin:incidents_incident_change", incident.pk)


def _dealt_with(request: HttpRequest, incident_id: int) -> Incident:
    incident = Incident.objects.filter(pk=incident_id).first()
    if incident is None or not may_deal_with(request, incident):
        raise Http404
    return incident
