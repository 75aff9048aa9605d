"""A meeting's facts and agenda on one page, editable until the motions are confirmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings.admin.bulk import actions_of, day_of, take_for_many
from meetings.admin.checklist import checklist_of
from meetings.admin.drafts import agenda_template, copy_page, upload_agenda
from meetings.admin.inlines import DocumentInline, ShareClassInline, is_editable
from meetings.admin.journal import RECENT, lines_of, meeting_journal
from meetings.admin.motions import MotionInline
from meetings.admin.register import upload_register
from meetings.admin.setting_up import MeetingForm
from meetings.admin.side_lists import upload_list
from meetings.admin.steps import links_of, next_of, steps_of, take_step, work_on
from meetings.calendar import UnknownYear, read_calendar
from meetings.dates import Deadline, deadlines
from meetings.drafting import EDITABLE
from meetings.models import POLICIES, Issuer, Meeting, Motion
from meetings.preparing import COUNTED, name_candidates, note_change, prepare_meeting
from voting_portal.admin import OperatorAdmin, actor_of

View = Callable[..., HttpResponseBase]
# From the frozen agenda to the certified result.
UNDER_WAY = (
    Meeting.State.MOTIONS_CONFIRMED,
    Meeting.State.INVITED,
    Meeting.State.OPEN,
    Meeting.State.CLOSED,
    Meeting.State.TALLIED,
    Meeting.State.CERTIFIED,
)


@admin.register(Issuer)
class IssuerAdmin(OperatorAdmin):
    list_display = ("security_code", "short_name", "name")
    search_fields = ("security_code", "short_name", "name")
    ordering = ("security_code",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Issuer | None = None) -> bool:
        """Its name is part of what is voted on, so not while a meeting of it is under way."""
        is_bound = obj is not None and obj.meetings.filter(state__in=UNDER_WAY).exists()
        return self.is_operator(request) and not is_bound

    def save_model(self, request: HttpRequest, obj: Issuer, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        obj.meetings.update(revision=models.F("revision") + 1)


@admin.register(Meeting)
class MeetingAdmin(OperatorAdmin):
    list_display = ("title", "issuer", "meeting_date", "state", "is_rehearsal")
    list_filter = ("state", "meeting_date", "kind", "is_rehearsal")
    list_select_related = ("issuer",)
    search_fields = ("issuer__security_code", "issuer__short_name", "title")
    date_hierarchy = "meeting_date"
    ordering = ("-meeting_date", "-id")
    form = MeetingForm
    inlines = (ShareClassInline, MotionInline, DocumentInline)
    change_form_template = "admin/meetings/meeting/change_form.html"
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fieldsets = (
        (
            None,
            {"fields": (("issuer", "kind", "is_rehearsal"), "title", "notice_url")},
        ),
        (
            _("日期与投票时段"),
            {
                "fields": (
                    ("notice_date", "record_date", "meeting_date"),
                    ("polls_open_at", "polls_close_at"),
                    ("onsite_vote_start", "closing_price"),
                    "strong_from_percent",
                    "retention_days",
                )
            },
        ),
        (
            _("计票规则"),
            {
                "classes": ("collapse",),
                "fields": tuple(POLICIES),
                "description": _("默认值即上交所规则。议案确认之后不再改变，随计票结果印出。"),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Meeting | None = None) -> bool:
        return self.is_operator(request) and is_editable(obj)

    def get_urls(self) -> list[URLPattern]:
        wrap, site = self.admin_site.admin_view, {"site": self.admin_site}

        def of_meeting(address: str, view: View, name: str, **context: Any) -> URLPattern:
            return path(f"<int:meeting_id>/{address}/", wrap(view), context, f"meeting-{name}")

        return [
            of_meeting("step/<slug:name>", take_step, "step"),
            of_meeting("register", upload_register, "register", **site),
            of_meeting("list", upload_list, "list", **site),
            of_meeting("journal", meeting_journal, "journal", **site),
            of_meeting("agenda", upload_agenda, "agenda", **site),
            of_meeting("copy", copy_page, "copy", **site),
            path("motions-template.xlsx", wrap(agenda_template), name="agenda-template"),
            path("bulk/<slug:name>/", wrap(take_for_many), site, name="meetings-bulk"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return actions_of(request, self.admin_site)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """By code, short name or title, or by the day of the meeting as 2026-06-26."""
        if day := day_of(search_term):
            return queryset.filter(meeting_date=day), False
        return super().get_search_results(request, queryset, search_term)

    def panel(self, meeting: Meeting) -> dict[str, Any]:
        work = work_on(meeting)
        following = None if work else next_of(meeting)
        return {
            "work": work,
            "next_step": following,
            "steps": [] if work else [s for s in steps_of(meeting) if s is not following],
            "links": [] if work else links_of(meeting),
            "checklist": [] if work else checklist_of(meeting),
            "deadlines": _deadlines(meeting),
            "registers": meeting.registers.order_by("-version"),
            "lines": lines_of(meeting.journal.order_by("-id")[:RECENT]),
            "takes_lists": not work and meeting.state not in COUNTED,
            "takes_register": meeting.state in (*EDITABLE, Meeting.State.MOTIONS_CONFIRMED),
            "is_editable": is_editable(meeting),
        }

    def response_post_save_change(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Any,
    ) -> HttpResponseRedirect:
        """A meeting that was saved is shown with what it still lacks, not lost among all others."""
        return redirect("admin:meetings_meeting_change", obj.pk)

    response_post_save_add = response_post_save_change

    def save_model(self, request: HttpRequest, obj: Meeting, form: Any, change: bool) -> None:
        if change:
            obj.revision += 1
        super().save_model(request, obj, form, change)
        if not change:
            prepare_meeting(obj, by=actor_of(request), now=timezone.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        rows = [formset.prefix for formset in formsets if formset.has_changed()]
        if change and (changed := [*form.changed_data, *rows]):
            by = actor_of(request)
            note_change(form.instance.pk, changed=changed, by=by, now=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Motion:
            for motion_form in formset.forms:
                if motion_form.instance.pk and hasattr(motion_form, "names"):
                    name_candidates(motion_form.instance, motion_form.names)


def _deadlines(meeting: Meeting) -> list[Deadline]:
    """None for a rehearsal or a year that the calendar lacks, which the checklist says."""
    try:
        return [] if meeting.is_rehearsal else deadlines(meeting, read_calendar())
    except UnknownYear:
        return []
