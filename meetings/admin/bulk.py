"""One step for many meetings: each is tried first and undone, so that the preview says exactly
what would happen; then each is taken by its own verb, and the page says what became of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from meetings.admin.steps import STEPS, Step
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting
from voting_portal.admin import actor_of, has_role, require_role
from voting_portal.common.formulas import defused
from voting_portal.common.roles import AT_MEETINGS

MOST = 300
# Steps that may be taken for many meetings at once; calling meetings off is not among them.
FOR_MANY = ("confirm-motions", "invite", "certify", "publish")
EXPORTED = (
    "证券代码",
    "证券简称",
    "股东会",
    "类型",
    "状态",
    "公告日",
    "股权登记日",
    "召开日期",
    "演练",
)


@dataclass(frozen=True)
class Outcome:
    """What a step did with a meeting, or would do: a blank reason where it is taken."""

    meeting: Meeting
    reason: str


def _try(step: Step, meetings: Iterable[Meeting], *, by: str, is_real: bool) -> list[Outcome]:
    """Take a step for each meeting by itself, in a transaction of its own, undone unless real."""
    outcomes = []
    for meeting in meetings:
        reason = ""
        try:
            with transaction.atomic():
                step.verb(meeting.pk, by, timezone.now())
                transaction.set_rollback(not is_real)
        except CannotAdvance as refusal:
            reason = str(refusal)
        outcomes.append(Outcome(meeting, reason))
    return outcomes


def _page(
    request: HttpRequest, site: AdminSite, step: Step, meetings: list[Meeting], *, is_real: bool
) -> HttpResponse:
    outcomes = _try(step, meetings, by=actor_of(request), is_real=is_real)
    context = {
        **site.each_context(request),
        "title": step.label,
        "step": step,
        "outcomes": outcomes,
        "possible": [o.meeting for o in outcomes if not o.reason],
        "is_done": is_real,
    }
    return render(request, "admin/meetings/meeting/bulk.html", context)


@require_POST
def take_for_many(request: HttpRequest, name: str, site: AdminSite) -> HttpResponse:
    """Take a step for the meetings that the preview offered."""
    step = next((s for s in STEPS if s.name == name and name in FOR_MANY), None)
    if step is None:
        raise Http404
    require_role(request, step.role)
    chosen = [int(pk) for pk in request.POST.getlist("meeting")[:MOST] if pk.isdecimal()]
    meetings = Meeting.objects.filter(pk__in=chosen).select_related("issuer")
    return _page(request, site, step, list(_in_order(meetings)), is_real=True)


def actions_of(request: HttpRequest, site: AdminSite) -> dict[str, tuple[Any, str, str]]:
    """The actions of the list of meetings that the one who asks may take."""
    steps = {step.name: step for step in STEPS}
    actions: dict[str, tuple[Any, str, str]] = {}
    for name in FOR_MANY:
        step = steps[name]
        if has_role(request, [step.role]):
            label = _("%(step)s（先预览）") % {"step": step.label}
            actions[name] = _preview(step, site), name, label
    if has_role(request, AT_MEETINGS):
        actions["export"] = export, "export", _("导出清单（CSV）")
    return actions


def _preview(step: Step, site: AdminSite) -> Callable[..., HttpResponse]:
    def preview(
        _admin: admin.ModelAdmin[Meeting], request: HttpRequest, meetings: QuerySet[Meeting]
    ) -> HttpResponse:
        """Say of each chosen meeting what the step would do; nothing is done yet."""
        chosen = list(_in_order(meetings.select_related("issuer"))[:MOST])
        return _page(request, site, step, chosen, is_real=False)

    return preview


def export(
    _admin: admin.ModelAdmin[Meeting], _request: HttpRequest, meetings: QuerySet[Meeting]
) -> HttpResponse:
    """The chosen meetings as CSV that Excel opens."""
    content = io.StringIO()
    writer = csv.writer(content)
    writer.writerow(EXPORTED)
    for meeting in _in_order(meetings.select_related("issuer")).iterator():
        writer.writerow(
            (
                meeting.issuer.security_code,
                defused(meeting.issuer.short_name),
                defused(meeting.title),
                meeting.get_kind_display(),
                meeting.get_state_display(),
                meeting.notice_date or "",
                meeting.record_date,
                meeting.meeting_date,
                _("是") if meeting.is_rehearsal else "",
            )
        )
    text = "\ufeff" + content.getvalue()
    response = HttpResponse(text.encode(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="meetings.csv"'
    return response


def day_of(search: str) -> date | None:
    """The day that was typed into the search field, if it is one."""
    try:
        return date.fromisoformat(search.strip().replace("/", "-"))
    except ValueError:
        return None


def _in_order(meetings: QuerySet[Meeting]) -> QuerySet[Meeting]:
    return meetings.order_by("meeting_date", "id")
