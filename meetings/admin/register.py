"""A register comes in by one person and is approved by another (双人复核)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, Register
from meetings.register.findings import with_reasons
from meetings.register.loading import approve_register, discard_register, load_register
from voting_portal.admin import OperatorAdmin

SHOWN_FINDINGS = 100


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("股东名册文件"), help_text=_("DBF、CSV、TXT、XLSX,或只含其中一个文件的ZIP")
    )
    stated_holders = forms.IntegerField(
        label=_("证券账户总数"),
        min_value=1,
        required=False,
        help_text=_("报送表所列;填写后逐一核对"),
    )
    stated_shares = forms.IntegerField(label=_("股份总数(股)"), min_value=1, required=False)


def upload_register(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Check and load a file; it takes effect when somebody else approves it."""
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            register = load_register(
                meeting_id,
                file,
                file_name=file.name,
                stated_holders=form.cleaned_data["stated_holders"],
                stated_shares=form.cleaned_data["stated_shares"],
                by=request.user.actor,  # type: ignore[union-attr]
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
    verbs: dict[str, Any] = {"approve": approve_register, "discard": discard_register}
    if decision not in verbs or not Register.objects.filter(pk=register_id).exists():
        raise Http404
    try:
        verbs[decision](register_id, by=request.user.actor, now=timezone.now())  # type: ignore[union-attr]
    except CannotAdvance as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已完成。"))
    return redirect("admin:meetings_register_change", register_id)


@admin.register(Register)
class RegisterAdmin(OperatorAdmin):
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
    fields = (
        ("meeting", "version", "state"),
        ("file_name", "file_size", "sha256"),
        ("rows_read", "rows_loaded", "rows_refused"),
        ("accounts", "holders", "shares"),
        ("uploaded_by", "uploaded_at"),
        ("approved_by", "approved_at"),
    )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        register = self.get_object(request, object_id)
        if register is not None:
            findings = [
                (_("错误"), with_reasons(register.errors[:SHOWN_FINDINGS])),
                (_("警告"), with_reasons(register.warnings[:SHOWN_FINDINGS])),
            ]
            extra_context = {**(extra_context or {}), "findings": findings}
        return super().change_view(request, object_id, form_url, extra_context)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:register_id>/decide/<slug:decision>/", wrap(decide), name="register-decide"),
            *super().get_urls(),
        ]
