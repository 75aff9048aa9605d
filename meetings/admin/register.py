"""A register comes in by one person and is approved by another (双人复核)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from meetings.admin.uploads import SealingUploadHandler
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, Register
from meetings.register import fault_list
from meetings.register.findings import with_reasons
from meetings.register.loading import approve_register, discard_register
from meetings.register.preview import preview_of
from meetings.register.receiving import receive_register
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import AT_MEETINGS, Role

SHOWN_FINDINGS = 100


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("股东名册文件"), help_text=_("DBF、CSV、TXT、XLSX，或只含其中一个文件的ZIP")
    )
    stated_holders = forms.IntegerField(
        label=_("证券账户总数"),
        min_value=1,
        required=False,
        help_text=_("报送表所列；填写后逐一核对"),
    )
    stated_shares = forms.IntegerField(label=_("股份总数（股）"), min_value=1, required=False)


@csrf_exempt  # checked by _receive_upload: the form may be read only once its handler is set
def upload_register(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Take a file in; a worker checks it, and it takes effect when somebody else approves it."""
    require_role(request, Role.OPERATOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    with transaction.atomic():
        if request.method == "POST":
            request.upload_handlers = [SealingUploadHandler(meeting_id)]
        response = _receive_upload(request, meeting, site)
        if response.status_code != 302:
            transaction.set_rollback(True)  # the parts of a file that nobody wants
    return response


@csrf_protect
def _receive_upload(request: HttpRequest, meeting: Meeting, site: AdminSite) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            register = receive_register(
                meeting.pk,
                file.incoming,
                file_name=file.name,
                stated_holders=form.cleaned_data["stated_holders"],
                stated_shares=form.cleaned_data["stated_shares"],
                by=actor_of(request),
                now=timezone.now(),
            )
        except CannotAdvance as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("admin:meetings_register_change", register.pk)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    status = 422 if form.errors else 200
    return render(request, "admin/meetings/register/upload.html", context, status=status)


@require_POST
def decide(request: HttpRequest, register_id: int, decision: str) -> HttpResponse:
    """Approve a checked register, or put it away."""
    require_role(request, Role.APPROVER, *([Role.OPERATOR] if decision == "discard" else []))
    verbs: dict[str, Any] = {"approve": approve_register, "discard": discard_register}
    if decision not in verbs or not Register.objects.filter(pk=register_id).exists():
        raise Http404
    try:
        verbs[decision](register_id, by=actor_of(request), now=timezone.now())
    except CannotAdvance as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已完成。"))
    return redirect("admin:meetings_register_change", register_id)


class ImportedFileAdmin(OperatorAdmin):
    """A file that was received, with its report; the complete one is a download."""

    def panel(self, received: Any) -> dict[str, Any]:
        """What the page says beside the file's own fields."""
        return {
            "findings": [
                (_("错误"), with_reasons(received.errors[:SHOWN_FINDINGS])),
                (_("警告"), with_reasons(received.warnings[:SHOWN_FINDINGS])),
            ],
            "faults_page": f"admin:{self.model._meta.model_name}-faults",
        }

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.model._meta.model_name}-faults"
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/faults.csv", wrap(self.download), name=name), *super().get_urls()]

    def download(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """All errors and warnings as CSV."""
        require_role(request, *AT_MEETINGS)
        found = self.get_queryset(request).filter(pk=pk).values_list("fault_list", flat=True)
        packed = found.first()
        if not packed:
            raise Http404
        response = StreamingHttpResponse(
            fault_list.as_csv(bytes(packed)), content_type="text/csv; charset=utf-8"
        )
        name = f"{self.model._meta.model_name}-{pk}-faults.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


@admin.register(Register)
class RegisterAdmin(ImportedFileAdmin):
    list_display = (
        "meeting",
        "version",
        "state",
        "file_name",
        "holders",
        "accounts",
        "uploaded_at",
    )
    list_filter = ("state",)
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "file_name")
    ordering = ("-uploaded_at", "-id")
    change_form_template = "admin/meetings/register/change_form.html"
    figures = (
        *("file_size", "stated_accounts", "stated_shares", "rows_read", "rows_loaded"),
        *("rows_refused", "accounts", "holders"),
    )
    fields = (
        ("meeting", "version", "state"),
        ("file_name", "file_size", "sha256"),
        ("stated_accounts", "stated_shares", "stated_record_date"),
        ("rows_read", "rows_loaded", "rows_refused"),
        ("accounts", "holders", "shares"),
        ("uploaded_by", "uploaded_at"),
        ("approved_by", "approved_at"),
    )

    def panel(self, received: Any) -> dict[str, Any]:
        return {**super().panel(received), "preview": preview_of(received)}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:register_id>/decide/<slug:decision>/", wrap(decide), name="register-decide"),
            *super().get_urls(),
        ]
