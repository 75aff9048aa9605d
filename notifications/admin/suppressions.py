"""Who is left alone, and why: staff note it when somebody calls, and lift it when they ask."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from notifications import suppressions
from notifications.models import Suppression
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import Role


class SuppressionForm(forms.ModelForm[Suppression]):
    phone = forms.CharField(
        label=_("手机号码"),
        max_length=30,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )

    class Meta:
        model = Suppression
        fields = ("phone", "reason", "note")


@admin.register(Suppression)
class SuppressionAdmin(OperatorAdmin):
    list_display = ("phone_masked", "reason", "added_by", "added_at", "lifted_at")
    list_filter = ("reason", ("lifted_at", admin.EmptyFieldListFilter))
    fields = (
        *("phone_masked", "reason", "note", "added_by", "added_at"),
        *("lifted_by", "lifted_at", "lifting_note"),
    )
    ordering = ("-id",)
    change_form_template = "admin/notifications/suppression/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def get_urls(self) -> list[URLPattern]:
        lift = self.admin_site.admin_view(lift_suppression)
        return [
            path("<int:suppression_id>/lift/", lift, name="suppression-lift"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """Ask for the number once; it is shown again by no page."""
        require_role(request, Role.OPERATOR)
        form = SuppressionForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                suppressions.add_suppression(
                    **form.cleaned_data, by=actor_of(request), now=timezone.now()
                )
            except suppressions.NoNumber as refusal:
                form.add_error("phone", refusal.message)
            except suppressions.NoReason as refusal:
                form.add_error("note", refusal.message)
            else:
                messages.success(request, _("已登记免打扰。"))
                return redirect("admin:notifications_suppression_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("登记免打扰"),
            "form": form,
        }
        status = 422 if form.errors else 200
        return render(request, "admin/notifications/suppression/add.html", context, status=status)


@require_POST
def lift_suppression(request: HttpRequest, suppression_id: int) -> HttpResponse:
    """The holder wants messages again; why is written down."""
    require_role(request, Role.OPERATOR)
    try:
        suppressions.lift_suppression(
            suppression_id,
            note=request.POST.get("note", ""),
            by=actor_of(request),
            now=timezone.now(),
        )
    except suppressions.CannotSuppress as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已解除免打扰。"))
    return redirect("admin:notifications_suppression_change", suppression_id)
