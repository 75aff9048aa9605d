"""The page on which links of a meeting are ended: one holder's, or all."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from identity import reissuing
from meetings.admin.steps import LINKS, Link
from meetings.live import LIVE_STATES
from meetings.models import Meeting
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role


class AccountForm(forms.Form):
    account = forms.RegexField(r"^([ABDEF]\d{9}|C[19]\d{8})$", label=_("证券账户"))


def links_page(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """End one holder's links (operators), or renew and end all (security administrators)."""
    require_role(request, Role.OPERATOR, Role.SECURITY)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None or meeting.state not in LIVE_STATES:
        raise Http404
    form = AccountForm(request.POST if "account" in request.POST else None)
    if request.method == "POST":
        try:
            done = _carry_out(request, meeting_id, form)
        except reissuing.CannotReissue as refusal:
            messages.error(request, str(refusal))
        else:
            if done:
                messages.success(request, done)
                return redirect("admin:meeting-links", meeting_id)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    status = 422 if form.errors else 200
    return render(request, "admin/identity/links.html", context, status=status)


def _carry_out(request: HttpRequest, meeting_id: int, form: AccountForm) -> str:
    """Do what the pressed button says; what was done in words, blank when the form has faults."""
    by, now = actor_of(request), timezone.now()
    if "renew" in request.POST:
        require_role(request, Role.SECURITY)
        reissuing.renew_links(meeting_id, by=by, now=now)
        return str(_("已更换链接密钥。请重新发送通知，然后由另一人停用旧链接。"))
    if "end" in request.POST:
        require_role(request, Role.SECURITY)
        reissuing.end_old_links(meeting_id, by=by, now=now)
        return str(_("旧链接已全部停用。"))
    require_role(request, Role.OPERATOR)
    if not form.is_valid():
        return ""
    account = form.cleaned_data["account"]
    holder = reissuing.reissue_link(meeting_id, account=account, by=by, now=now)
    return str(_("%(name)s的旧链接已停用，下一次通知带新链接。") % {"name": holder.name_masked})


LINKS.append(Link(_("换发或停用链接"), LIVE_STATES, "admin:meeting-links"))
