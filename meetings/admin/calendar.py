"""The trading calendar in the admin: a year goes in as the text of the exchange's notice."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings.calendar import LEAST_CLOSED_DAYS, BadCalendar, import_year
from meetings.models import CalendarYear
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import Role

LONGEST_TEXT = 20_000


class YearForm(forms.Form):
    year = forms.IntegerField(label=_("年份"), min_value=1991, max_value=2199)
    text = forms.CharField(
        label=_("休市安排"),
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 14, "cols": 90}),
        required=False,
        help_text=_(
            "粘贴交易所通知中的各条，如“10月1日（星期四）至10月7日（星期三）休市”；"
            "或每行一个日期或起止日期，如2026-10-01~2026-10-07。"
            "周六周日总是休市，不必列出；“为周末休市”和“上班”的周末计为工作日。"
        ),
    )
    file = forms.FileField(
        label=_("或上传文件"), required=False, help_text=_("TXT或CSV,UTF-8编码，内容同上")
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        if file is not None and file.size <= LONGEST_TEXT:
            try:
                cleaned["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", _("文件不是UTF-8编码的文本。"))
        elif file is not None:
            self.add_error("file", _("文件过大：一年的休市安排不会超过20KB。"))
        elif not cleaned.get("text", "").strip() and "text" not in self.errors:
            self.add_error("text", _("请粘贴休市安排，或选择一个文件。"))
        return cleaned


@admin.register(CalendarYear)
class CalendarYearAdmin(OperatorAdmin):
    """One row a year; putting a year in again replaces it."""

    list_display = ("year", "number_of_closed_days", "imported_by", "imported_at")
    fields = ("year", "closed_days", "working_weekends", "imported_by", "imported_at")
    ordering = ("-year",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    @admin.display(description=_("休市日（周一至周五）"))
    def number_of_closed_days(self, year: CalendarYear) -> int:
        return len(year.closed_days)

    def add_view(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """Ask for a year's text and put it in, or say line by line what is wrong."""
        require_role(request, Role.OPERATOR)
        form = YearForm(
            request.POST or None,
            request.FILES or None,
            initial={"year": timezone.localdate().year + 1},
        )
        context = {
            **self.admin_site.each_context(request),
            "title": _("导入休市安排"),
            "form": form,
            "least": LEAST_CLOSED_DAYS,
        }
        if request.method == "POST" and form.is_valid():
            cleaned = form.cleaned_data
            try:
                kept = import_year(
                    cleaned["year"], cleaned["text"], by=actor_of(request), now=timezone.now()
                )
            except BadCalendar as refusal:
                form.add_error(None, refusal.message)
                context["faults"] = refusal.faults
            else:
                return redirect("admin:meetings_calendaryear_change", kept.pk)
        status = 422 if form.errors else 200
        return render(request, "admin/meetings/calendaryear/import.html", context, status=status)
