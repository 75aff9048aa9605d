"""Nominees' entries, opened for them by an operator."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from identity.admin.reissuing import links_page
from identity.admin.unmasking import unmask_page
from identity.institutions import CannotOpenEntry, open_entry
from identity.models import InstitutionEntry
from meetings.admin.steps import LINKS, Link
from meetings.models import Meeting
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import Role


class EntryForm(forms.Form):
    account = forms.RegexField(r"^([ABDEF]\d{9}|C[19]\d{8})$", label=_("名义持有人的证券账户"))


def open_entry_page(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Open a nominee's way in and show its address, this once."""
    require_role(request, Role.OPERATOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    form = EntryForm(request.POST or None)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    if request.method == "POST" and form.is_valid():
        try:
            context["address"] = open_entry(
                meeting_id,
                account=form.cleaned_data["account"],
                by=actor_of(request),
                now=timezone.now(),
            )
        except CannotOpenEntry as refusal:
            form.add_error("account", str(refusal))
    status = 422 if form.errors else 200
    response = render(request, "admin/identity/institutionentry/open.html", context, status=status)
    response["Cache-Control"] = "no-store, private"
    return response


@admin.register(InstitutionEntry)
class InstitutionEntryAdmin(OperatorAdmin):
    """Entries as they were opened; not whether one was used, which would tell who votes."""

    list_display = ("account_masked", "issued_by", "issued_at", "expires_at")
    fields = list_display
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "meeting/<int:meeting_id>/links/",
                self.admin_site.admin_view(links_page),
                {"site": self.admin_site},
                name="meeting-links",
            ),
            path(
                "meeting/<int:meeting_id>/holder/",
                self.admin_site.admin_view(unmask_page),
                {"site": self.admin_site},
                name="holder-unmask",
            ),
            path(
                "meeting/<int:meeting_id>/",
                self.admin_site.admin_view(open_entry_page),
                {"site": self.admin_site},
                name="institution-entry",
            ),
            *super().get_urls(),
        ]


LINKS.append(
    Link(
        _("开通机构入口"),
        (Meeting.State.INVITED, Meeting.State.OPEN),
        "admin:institution-entry",
    )
)
