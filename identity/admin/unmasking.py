"""The page on which an auditor looks at one holder's registered data, for a reason."""

from __future__ import annotations

from django import forms
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from identity import limits
from identity.unmasking import CannotUnmask, Reason, unmask_holder
from meetings.admin.steps import LINKS, Link
from meetings.live import LIVE_STATES
from meetings.models import Meeting
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role


class HolderForm(forms.Form):
    """Whom to look at, why, and by which call of the hotline."""

    sought = forms.CharField(
        label=_("证券账户、手机号、一码通或证件号码"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("姓名（按证件号码查询时填写）"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.ChoiceField(label=_("原因"), choices=[("", "---------"), *Reason.choices])
    call = forms.CharField(label=_("来电或来函登记号"), max_length=20)


@sensitive_post_parameters("sought", "name")
def unmask_page(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Show one holder's name, ID number and phone in answer to a POST, and to nothing else.

    Every search counts towards the hourly limit of the one who asks, found or not.
    """
    require_role(request, Role.AUDITOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None or meeting.state not in LIVE_STATES or meeting.purged_at is not None:
        raise Http404
    form = HolderForm(request.POST if request.method == "POST" else None)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    status = 422
    if form.is_valid():
        by = actor_of(request)
        try:
            limits.count(limits.UNMASKED, request, subject=by)
            context["holder"] = unmask_holder(
                meeting_id, **form.cleaned_data, by=by, now=timezone.now()
            )
        except CannotUnmask as refusal:
            form.add_error(None, str(refusal))
        except limits.TooMany as refusal:
            form.add_error(None, str(refusal.message))
            status = refusal.status
    context["limit"] = limits.UNMASKED.count
    shown = status if form.errors else 200
    response = render(request, "admin/identity/unmask.html", context, status=shown)
    response["Cache-Control"] = "no-store, private"
    return response


LINKS.append(Link(_("查看一位股东的登记信息"), LIVE_STATES, "admin:holder-unmask", Role.AUDITOR))
