"""What stands on a meeting's page below its own fields: classes of shares and papers."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from meetings.drafting import EDITABLE
from meetings.models import Document, Meeting, Motion, ShareClass
from voting_portal.admin import WithFigures, has_role
from voting_portal.common.roles import AT_MEETINGS, Role

MAX_DOCUMENT_BYTES = 20 * 2**20


def is_editable(meeting: Meeting | None) -> bool:
    return meeting is None or meeting.state in EDITABLE


class InlineOfMeeting(WithFigures, admin.StackedInline[Any, Meeting]):
    """Rows of a meeting, frozen with it; stacked, since a table's cells would have no labels."""

    extra = 0

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return has_role(request, AT_MEETINGS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, [Role.OPERATOR]) and is_editable(obj)

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


class NumberedClasses(BaseInlineFormSet[ShareClass, Meeting, Any]):
    """Classes are numbered in the order in which they were added."""

    def save_new(self, form: Any, commit: bool = True) -> ShareClass:
        used = set(self.instance.share_classes.values_list("number", flat=True))
        form.instance.number = min(set(range(8)) - used)
        return super().save_new(form, commit=commit)


class ShareClassInline(InlineOfMeeting):
    model = ShareClass
    formset = NumberedClasses
    min_num = 1
    fields = (("code", "capital", "voteless_shares", "votes_per_share"),)
    figures = ("capital", "voteless_shares")


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


class DocumentInline(InlineOfMeeting):
    model = Document
    form = DocumentForm
    fields = (("title", "motion", "file"),)

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
