"""Exchange staff at the post office: plan a campaign, have it approved, start it and watch it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from ballots.opening import note_attempt
from meetings.lifecycle import BEFORE_INVITATION
from meetings.models import Meeting
from notifications import campaigns, routing, tasks, wording
from notifications.audiences import count_audience
from notifications.models import Campaign, Delivery
from notifications.progress import TELLING, progress, tells_of_votes, without_telling
from voting_portal.admin import OperatorAdmin, actor_of
from voting_portal.common import ids

State = Campaign.State
DELIVERIES_ON_A_PAGE = 100
STEPS = {
    "approve": (campaigns.approve_campaign, _("复核通过")),
    "start": (campaigns.start_campaign, _("开始发送")),
    "pause": (campaigns.pause_campaign, _("暂停")),
    "resume": (campaigns.resume_campaign, _("继续发送")),
    "cancel": (campaigns.cancel_campaign, _("取消")),
}
STEPS_FROM = {
    State.DRAFT: ("approve", "cancel"),
    State.APPROVED: ("start", "cancel"),
    State.RUNNING: ("pause", "cancel"),
    State.PAUSED: ("resume", "cancel"),
}


class CampaignForm(forms.ModelForm[Campaign]):
    gateway = forms.ChoiceField(label=_("通道"))

    class Meta:
        model = Campaign
        fields = ("meeting", "wording")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            meetings = Meeting.objects.filter(state__in=[*BEFORE_INVITATION, *campaigns.NOTIFIABLE])
            meetings = meetings.select_related("issuer").order_by("-meeting_date", "-id")
            self.fields["meeting"].queryset = meetings  # type: ignore[attr-defined]
            names = [(name, name) for name in settings.GATEWAYS]
            self.fields["gateway"].choices = names  # type: ignore[attr-defined]
            self.fields["wording"].initial = wording.default_wording()
            self.fields["wording"].help_text = _(
                "可用变量:{简称}、{代码}、{届次}、{月}、{日}、{链接};{链接}前后各留一个空格。"
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"meeting", "wording"} <= cleaned.keys():
            try:
                wording.compose(cleaned["wording"], cleaned["meeting"])
            except wording.BadWording as refusal:
                raise ValidationError({"wording": refusal.message}) from None
        return cleaned


@admin.register(Campaign)
class CampaignAdmin(OperatorAdmin):
    """Planned here, changed by steps only: what was approved is what is sent."""

    form = CampaignForm
    list_display = ("meeting", "number", "ways", "state", "planned", "started_at", "done_at")
    list_filter = ("state",)
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "meeting__issuer__short_name")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_fields(self, _request: HttpRequest, obj: Campaign | None = None) -> tuple[str, ...]:
        return ("meeting", "ways" if obj else "gateway", "wording")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:campaign_id>/step/<slug:name>/", wrap(take_step), name="campaign-step"),
            path(
                "<int:campaign_id>/deliveries/",
                wrap(list_deliveries),
                {"site": self.admin_site},
                name="campaign-deliveries",
            ),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, _change: bool) -> None:
        planned = campaigns.plan_campaign(
            obj.meeting_id,
            wording=obj.wording,
            plan=routing.plan_of(form.cleaned_data["gateway"]),
            by=actor_of(request),
            now=timezone.now(),
        )
        obj.pk, obj.number = planned.pk, planned.number

    @admin.display(description=_("发送方案"))
    def ways(self, campaign: Campaign) -> str:
        return routing.in_words(campaign.plan)

    def panel(self, campaign: Campaign) -> dict[str, Any]:
        """What the campaign's page shows above its fields."""
        try:
            notice = wording.compose(campaign.wording, campaign.meeting)
        except wording.BadWording:
            notice = None  # the issuer's name has changed since
        is_planned = campaign.state in (State.DRAFT, State.APPROVED)
        figures = None if is_planned else progress(campaign)
        is_secret = tells_of_votes(campaign.meeting, now=timezone.now())
        if figures is not None and is_secret:
            figures = without_telling(figures)
        steps = STEPS_FROM.get(State(campaign.state), ())
        return {
            "steps": [(name, STEPS[name][1]) for name in steps],
            "notice": notice,
            "audience": count_audience(campaign.meeting_id) if is_planned else None,
            "progress": figures,
            "is_secret": is_secret,
            "is_running": campaign.state == State.RUNNING,
        }


@require_POST
def take_step(request: HttpRequest, campaign_id: int, name: str) -> HttpResponse:
    """One of STEPS; a refusal is shown on the campaign's page."""
    if name not in STEPS:
        raise Http404
    verb, label = STEPS[name]
    try:
        verb(campaign_id, by=actor_of(request), now=timezone.now())
    except Campaign.DoesNotExist:
        raise Http404 from None
    except campaigns.CannotSend as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已执行:%(step)s") % {"step": label})
        if name in ("start", "resume"):
            tasks.ring_now()
    return redirect("admin:notifications_campaign_change", campaign_id)


@require_GET
def list_deliveries(request: HttpRequest, campaign_id: int, site: admin.AdminSite) -> HttpResponse:
    """A campaign's deliveries in the order of the register, masked; `?state=` and `?after=`."""
    campaign = get_object_or_404(Campaign.objects.select_related("meeting__issuer"), pk=campaign_id)
    state, after = request.GET.get("state", ""), request.GET.get("after", "")
    hidden = TELLING if tells_of_votes(campaign.meeting, now=timezone.now()) else ()
    if state in {str(value.value) for value in hidden}:
        by = actor_of(request)
        note_attempt(campaign.meeting_id, by=by, now=timezone.now(), what="deliveries")
        raise PermissionDenied
    first, end = ids.holder_range(campaign.meeting_id)
    found = (
        Delivery.objects.of_campaign(campaign)
        .filter(holder__id__gte=first, holder__id__lt=end)
        .select_related("holder")
        .exclude(state__in=hidden)
        .order_by("id")
    )
    if state.isdecimal():
        found = found.filter(state=int(state))
    if after.isdecimal():
        found = found.filter(holder__id__gt=first + int(after))
    deliveries = list(found[: DELIVERIES_ON_A_PAGE + 1])
    page = deliveries[:DELIVERIES_ON_A_PAGE]
    context = {
        **site.each_context(request),
        "title": _("发送记录"),
        "campaign": campaign,
        "deliveries": page,
        "after": page[-1].holder.index if len(deliveries) > len(page) else None,
        "state": state,
        "states": [
            (str(value), label) for value, label in Delivery.State.choices if value not in hidden
        ],
        "is_secret": bool(hidden),
    }
    return render(request, "admin/notifications/campaign/deliveries.html", context)
