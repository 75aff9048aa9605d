"""The agenda on the meeting's page: motions in order, each with its candidates as lines of text."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from meetings.admin.inlines import InlineOfMeeting
from meetings.models import Meeting, Motion
from meetings.preparing import candidate_names
from voting_portal.admin import OperatorAdmin

NUMBER = re.compile(r"([1-9]\d{0,2})(?:\.(\d{1,2}))?")
FIRST_ROWS = 3  # that a meeting without motions offers
RULES_OF_PLAIN_MOTIONS = ("is_dividend", "has_dual_threshold", "has_class_threshold")


class MotionForm(forms.ModelForm[Motion]):
    """A motion by its number as it is printed; a blank number takes the next place."""

    number = forms.CharField(
        label=_("序号"),
        required=False,
        widget=forms.TextInput(attrs={"size": 6, "inputmode": "decimal", "autocomplete": "off"}),
        help_text=_("如3或2.01；留空则排在最后"),
    )
    candidate_lines = forms.CharField(
        label=_("候选人（每行一位）"),
        widget=forms.Textarea(attrs={"rows": 3, "cols": 40}),
        required=False,
        help_text=_("仅累积投票议案。独立董事与非独立董事须分为两个议案，票数不能混用。"),
    )

    class Meta:
        model = Motion
        fields = (
            "kind",
            "threshold",
            "title",
            "proposer",
            "proposer_name",
            "board_opinion",
            "seats",
            "share_classes",
            "is_for_minority_count",
            "is_dividend",
            "exclusive_group",
            "has_dual_threshold",
            "has_class_threshold",
            "is_one_share_one_vote",
        )
        widgets = {
            "title": forms.Textarea(attrs={"rows": 2, "cols": 80}),
            "board_opinion": forms.Textarea(attrs={"rows": 2, "cols": 80}),
            "seats": forms.NumberInput(attrs={"min": 1, "size": 4}),
        }
        help_texts = {
            "kind": _("逐项表决：总标题写作2.00，各项写作2.01、2.02"),
            "threshold": _("修改章程、增减资本、合并分立、重大资产交易、股权激励等须特别决议"),
            "is_for_minority_count": _("选举董事、利润分配、关联交易、担保、聘任审计机构等须勾选"),
            "is_dividend": _("须在日期一栏填写A股收盘价"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.place: tuple[int, int] | None = None
        self.names: list[str] = []
        if self.instance.pk:
            self.initial["number"] = self.instance.number
            self.initial["candidate_lines"] = "\n".join(candidate_names(self.instance))

    def clean_number(self) -> str:
        text = str(self.cleaned_data["number"]).strip()
        if not text:
            return ""
        match = NUMBER.fullmatch(text)
        if match is None:
            raise ValidationError(_("序号写作1、1.00或2.01。"))
        self.place = int(match[1]), int(match[2] or 0)
        return text

    def clean_candidate_lines(self) -> str:
        lines = str(self.cleaned_data["candidate_lines"]).split("\n")
        self.names = [line.strip() for line in lines if line.strip()]
        if len(self.names) > 99 or any(len(name) > 60 for name in self.names):
            raise ValidationError(_("最多99位候选人，姓名最多60个字。"))
        if len(set(self.names)) < len(self.names):
            raise ValidationError(_("有候选人重复。"))
        return "\n".join(self.names)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        kind, seats = self.cleaned_data.get("kind"), self.cleaned_data.get("seats")
        if kind == Motion.Kind.CUMULATIVE:
            if not seats and "seats" not in self.errors:
                self.add_error("seats", _("累积投票议案须填写应选人数。"))
            if self.place and self.place[1]:
                self.add_error("number", _("累积投票议案占用整个序号，如4.00；4.01起为候选人。"))
        else:
            if seats:
                self.add_error("seats", _("只有累积投票议案有应选人数。"))
            if self.names:
                self.add_error("candidate_lines", _("只有累积投票议案有候选人。"))
        if kind != Motion.Kind.PLAIN:
            for name in (*RULES_OF_PLAIN_MOTIONS, "exclusive_group"):
                if self.cleaned_data.get(name):
                    self.add_error(name, _("只适用于非累积投票议案。"))
        self._judge_proposer()
        return cleaned

    def _judge_proposer(self) -> None:
        proposer = self.cleaned_data.get("proposer")
        is_of_holders = proposer == Motion.Proposer.HOLDERS
        if is_of_holders != bool(self.cleaned_data.get("proposer_name")):
            self.add_error("proposer_name", _("提案人是股东时须填写提案股东，否则留空。"))
        if proposer == Motion.Proposer.BOARD and self.cleaned_data.get("board_opinion"):
            self.add_error("board_opinion", _("董事会自己的提案不填董事会意见。"))

    def save(self, commit: bool = True) -> Motion:
        if self.place:
            self.instance.group, self.instance.item = self.place
        return super().save(commit)


class MotionFormSet(BaseInlineFormSet[Motion, Meeting, Any]):
    """The motions of a meeting, whose numbers are told apart here: they are seen together."""

    def clean(self) -> None:
        super().clean()
        rows = [form for form in self.forms if self._counts(form)]
        taken: dict[tuple[int, int], Any] = {}
        for form in rows:
            if form.place in taken:
                form.add_error("number", _("序号重复。"))
            elif form.place:
                taken[form.place] = form
        for form in rows:
            if form.place is None and "number" not in form.errors:
                form.place = max((group for group, _item in taken), default=0) + 1, 0
                taken[form.place] = form
        for (group, item), form in taken.items():
            above = taken.get((group, 0))
            if item and above and above.cleaned_data.get("kind") != Motion.Kind.HEADING:
                form.add_error("number", _("上一级议案须是“逐项表决的总标题”。"))

    def _counts(self, form: Any) -> bool:
        is_there = form.instance.pk or form.has_changed()
        return (
            bool(is_there) and hasattr(form, "cleaned_data") and not form.cleaned_data.get("DELETE")
        )


class MotionInline(InlineOfMeeting):
    model = Motion
    form = MotionForm
    formset = MotionFormSet
    ordering = ("group", "item")
    fieldsets = (
        (
            None,
            {"fields": (("number", "kind", "threshold", "seats"), "title", "candidate_lines")},
        ),
        (
            _("提案人"),
            {
                "classes": ("collapse",),
                "fields": (("proposer", "proposer_name"), "board_opinion"),
            },
        ),
        (
            _("更多规则"),
            {
                "classes": ("collapse",),
                "fields": (
                    ("is_for_minority_count", "is_dividend"),
                    ("has_dual_threshold", "has_class_threshold", "is_one_share_one_vote"),
                    ("exclusive_group", "share_classes"),
                ),
            },
        ),
    )

    def get_extra(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Any = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> int:
        return 0 if obj and obj.motions.exists() else FIRST_ROWS

    @admin.display(description=_("序号"))
    def number(self, motion: Motion) -> str:
        return motion.number

    @admin.display(description=_("候选人"))
    def candidate_lines(self, motion: Motion) -> str:
        return "\n".join(candidate_names(motion)) or "–"


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
        return motion.number
