"""A meeting's facts and agenda on one page, editable until the motions are confirmed."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from meetings.admin.register import upload_register
from meetings.admin.side_lists import upload_list
from meetings.admin.steps import links_of, steps_of, take_step
from meetings.models import POLICIES, Document, Issuer, Meeting, Motion, ShareClass
from meetings.preparing import candidate_names, name_candidates, prepare_meeting
from voting_portal.admin import OperatorAdmin, actor_of, has_role
from voting_portal.common.roles import AT_MEETINGS, Role

EDITABLE = (Meeting.State.DRAFT, Meeting.State.REGISTER_LOADED)
MAX_DOCUMENT_BYTES = 20 * 2**20


def _is_editable(meeting: Meeting | None) -> bool:
    return meeting is None or meeting.state in EDITABLE


@admin.register(Issuer)
class IssuerAdmin(OperatorAdmin):
    list_display = ("security_code", "short_name", "name")
    search_fields = ("security_code", "short_name", "name")
    ordering = ("security_code",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def has_change_permission(self, request: HttpRequest, _obj: Issuer | None = None) -> bool:
        return self.is_operator(request)


class _InlineOfMeeting(admin.TabularInline[Any, Meeting]):
    """Rows of a meeting, frozen with it."""

    extra = 0

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return has_role(request, AT_MEETINGS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, [Role.OPERATOR]) and _is_editable(obj)

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


class NumberedClasses(BaseInlineFormSet[ShareClass, Meeting, Any]):
    """Classes are numbered in the order in which they were added."""

    def save_new(self, form: Any, commit: bool = True) -> ShareClass:
        used = set(self.instance.share_classes.values_list("number", flat=True))
        form.instance.number = min(set(range(8)) - used)
        return super().save_new(form, commit=commit)


class ShareClassInline(_InlineOfMeeting):
    model = ShareClass
    formset = NumberedClasses
    min_num = 1


class MotionForm(forms.ModelForm[Motion]):
    """A motion with its candidates as lines of text, so that the agenda is one page."""

    candidate_lines = forms.CharField(
        label=_("候选人(每行一位)"),
        widget=forms.Textarea(attrs={"rows": 3, "cols": 14}),
        required=False,
    )

    class Meta:
        model = Motion
        fields = (
            "group",
            "item",
            "kind",
            "threshold",
            "title",
            "seats",
            "share_classes",
            "is_for_minority_count",
            "is_dividend",
            "exclusive_group",
            "has_dual_threshold",
            "has_class_threshold",
            "is_one_share_one_vote",
        )
        widgets = {"title": forms.Textarea(attrs={"rows": 3, "cols": 40})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["candidate_lines"] = "\n".join(candidate_names(self.instance))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        lines = self.cleaned_data.get("candidate_lines", "").split("\n")
        self.names = [line.strip() for line in lines if line.strip()]
        if self.names and self.cleaned_data.get("kind") != Motion.Kind.CUMULATIVE:
            raise ValidationError({"candidate_lines": _("只有累积投票议案有候选人。")})
        return cleaned


class MotionInline(_InlineOfMeeting):
    model = Motion
    form = MotionForm
    ordering = ("group", "item")

    @admin.display(description=_("候选人"))
    def candidate_lines(self, motion: Motion) -> str:
        return "\n".join(candidate_names(motion))


class DocumentForm(forms.ModelForm[Document]):
    file = forms.FileField(label=_("PDF文件"), required=False)

    class Meta:
        model = Document
        fields = ("title", "motion")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is None:
            if not self.instance.pk:
                raise ValidationError(_("请选择一个PDF文件。"))
            return None
        if file.size > MAX_DOCUMENT_BYTES:
            raise ValidationError(_("文件超过20MB。"))
        if file.read(5) != b"%PDF-":
            raise ValidationError(_("这不是PDF文件。"))
        file.seek(0)
        return file

    def save(self, commit: bool = True) -> Document:
        if file := self.cleaned_data["file"]:
            self.instance.content = file.read()
            self.instance.size = len(self.instance.content)
            self.instance.sha256 = hashlib.sha256(self.instance.content).hexdigest()
        return super().save(commit)


class DocumentInline(_InlineOfMeeting):
    model = Document
    form = DocumentForm

    @admin.display(description=_("PDF文件"))
    def file(self, document: Document) -> str:
        return filesizeformat(document.size)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("content")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "motion" and request.resolver_match:
            meeting = request.resolver_match.kwargs.get("object_id", "0")
            kwargs["queryset"] = Motion.objects.filter(meeting_id=meeting)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Meeting)
class MeetingAdmin(OperatorAdmin):
    list_display = ("issuer", "title", "meeting_date", "state", "is_rehearsal")
    list_filter = ("state", "meeting_date", "is_rehearsal")
    list_select_related = ("issuer",)
    search_fields = ("issuer__security_code", "issuer__short_name", "title")
    autocomplete_fields = ("issuer",)
    date_hierarchy = "meeting_date"
    ordering = ("-meeting_date", "-id")
    inlines = (ShareClassInline, MotionInline, DocumentInline)
    change_form_template = "admin/meetings/meeting/change_form.html"
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "issuer",
                    "kind",
                    "title",
                    "is_rehearsal",
                    "notice_url",
                    "strong_from_percent",
                    "retention_days",
                )
            },
        ),
        (
            _("日期与投票时段"),
            {"fields": (("record_date", "meeting_date"), ("polls_open_at", "polls_close_at"))},
        ),
        (
            _("计票规则"),
            {
                "fields": (
                    *POLICIES,
                    ("onsite_vote_start", "closing_price"),
                ),
                "description": _("议案确认之后不再改变,随计票结果印出。"),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Meeting | None = None) -> bool:
        return self.is_operator(request) and _is_editable(obj)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:meeting_id>/step/<slug:name>/", wrap(take_step), name="meeting-step"),
            path(
                "<int:meeting_id>/register/",
                wrap(upload_register),
                {"site": self.admin_site},
                name="meeting-register",
            ),
            path(
                "<int:meeting_id>/list/",
                wrap(upload_list),
                {"site": self.admin_site},
                name="meeting-list",
            ),
            *super().get_urls(),
        ]

    def panel(self, meeting: Meeting) -> dict[str, Any]:
        return {
            "steps": steps_of(meeting),
            "links": links_of(meeting),
            "registers": meeting.registers.order_by("-version"),
            "journal": meeting.journal.order_by("-id")[:20],
            "takes_register": meeting.state in (*EDITABLE, Meeting.State.MOTIONS_CONFIRMED),
        }

    def save_model(self, request: HttpRequest, obj: Meeting, form: Any, change: bool) -> None:
        if change:
            obj.revision += 1
        super().save_model(request, obj, form, change)
        if not change:
            prepare_meeting(obj, by=actor_of(request), now=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Motion:
            for motion_form in formset.forms:
                if motion_form.instance.pk and hasattr(motion_form, "names"):
                    name_candidates(motion_form.instance, motion_form.names)


@admin.register(Motion)
class MotionAdmin(OperatorAdmin):
    """For look-ups from other pages; motions are edited with their meeting."""

    list_display = ("meeting_title", "number_text", "title", "kind", "threshold")
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "meeting__title", "title")
    ordering = ("-meeting_id", "group", "item")

    @admin.display(description=_("股东会"))
    def meeting_title(self, motion: Motion) -> str:
        return str(motion.meeting)

    @admin.display(description=_("序号"))
    def number_text(self, motion: Motion) -> str:
        return format_html("{}", motion.number)
