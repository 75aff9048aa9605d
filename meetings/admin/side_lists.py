"""Side lists (名单) come in as files, each with its report."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings.admin.register import ImportedFileAdmin
from meetings.lifecycle import CannotAdvance
from meetings.models import ListImport, Meeting
from meetings.register.side_lists import LISTS, import_list
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role


class ListForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("名单"), choices=lambda: [(name, found.label) for name, found in LISTS.items()]
    )
    file = forms.FileField(
        label=_("文件"), help_text=_("DBF、CSV、TXT、XLSX，或只含其中一个文件的ZIP")
    )


def upload_list(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Check a list and take it in, whole or not at all."""
    require_role(request, Role.OPERATOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    form = ListForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            received = import_list(
                meeting.pk,
                form.cleaned_data["kind"],
                file,
                file_name=file.name,
                by=actor_of(request),
                now=timezone.now(),
            )
        except CannotAdvance as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("admin:meetings_listimport_change", received.pk)
    columns = [
        (found.label, [str(column) for column in found.headings]) for found in LISTS.values()
    ]
    context = {**site.each_context(request), "form": form, "meeting": meeting, "columns": columns}
    status = 422 if form.errors else 200
    return render(request, "admin/meetings/listimport/upload.html", context, status=status)


@admin.register(ListImport)
class ListImportAdmin(ImportedFileAdmin):
    list_display = ("meeting", "label", "file_name", "rows_loaded", "rows_refused", "uploaded_at")
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "file_name")
    ordering = ("-uploaded_at", "-id")
    change_form_template = "admin/meetings/listimport/change_form.html"
    fields = (
        ("meeting", "label"),
        ("file_name", "file_size", "sha256"),
        ("rows_read", "rows_loaded", "rows_refused"),
        ("uploaded_by", "uploaded_at"),
    )

    @admin.display(description=_("名单"))
    def label(self, received: ListImport) -> str:
        return str(LISTS[received.kind].label)
