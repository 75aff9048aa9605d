"""How files name their columns, kept by staff (导入模板)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.models import ImportHeader, ImportProfile
from voting_portal.admin import OperatorAdmin, actor_of, has_role
from voting_portal.common.roles import AT_MEETINGS, Role


class HeaderForm(forms.ModelForm[ImportHeader]):
    class Meta:
        model = ImportHeader
        fields = ("header", "field", "dbf_width")

    def clean_header(self) -> str:
        """As headers are compared: blanks round them and letter case do not matter."""
        return str(self.cleaned_data["header"]).strip().upper()


class HeaderInline(admin.StackedInline[ImportHeader, ImportProfile]):
    model = ImportHeader
    form = HeaderForm
    extra = 1
    fields = (("field", "header", "dbf_width"),)
    ordering = ("field", "id")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return has_role(request, AT_MEETINGS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return has_role(request, [Role.OPERATOR])

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


@admin.register(ImportProfile)
class ImportProfileAdmin(OperatorAdmin):
    list_display = ("name", "header_texts")
    search_fields = ("name", "headers__header")
    ordering = ("id",)
    inlines = (HeaderInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def has_change_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return self.is_operator(request)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("headers")

    @admin.display(description=_("表头"))
    def header_texts(self, profile: ImportProfile) -> str:
        return "、".join(sorted(header.header for header in profile.headers.all()))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        (headers,) = formsets
        journal.record(
            None,
            "import_profile.saved",
            by=actor_of(request),
            at=timezone.now(),
            profile=form.instance.name,
            added=[header.header for header in headers.new_objects],
            changed=[header.header for header, _fields in headers.changed_objects],
            removed=[header.header for header in headers.deleted_objects],
        )
