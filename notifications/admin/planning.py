"""The form with which staff plan a campaign: to whom, by which gateways, in what words, when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from notifications import campaigns, routing, sendable, tasks, wording
from notifications.models import Campaign
from notifications.wording import LinkMode
from voting_portal import gateways
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role
from voting_portal.gateways.protocol import Kind

KINDS = {
    Kind.SMS: _("短信"),
    Kind.RCS: _("5G消息"),
    Kind.CARD: _("5G阅信"),
    Kind.APP: _("应用推送"),
}
MODES = {LinkMode.PERSONAL: _("个人链接"), LinkMode.CODE: _("投票码")}
# Where on the form a refusal belongs.
FIELD_OF = {
    sendable.CannotRoute: "plan",
    sendable.OutsideHours: "send_from",
    sendable.StartPassed: "start_at",
    sendable.WrongMeetingState: "meeting",
}


class PlanWidget(forms.Widget):
    """A row a gateway: in which step it is used, if at all, and with what weight."""

    template_name = "admin/notifications/components/plan.html"
    use_fieldset = True

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        chosen = {
            way["gateway"]: (number, way["weight"])
            for number, step in enumerate(value or [], start=1)
            for way in step
        }
        rows = []
        for gateway, options in settings.GATEWAYS.items():
            if not gateways.is_usable(gateway):
                continue
            step, weight = chosen.get(gateway, (0, 1))
            rows.append(
                {
                    "gateway": gateway,
                    "kind": KINDS[gateways.gateway(gateway).kind],
                    "mode": MODES[wording.mode_of(gateway)],
                    "rate": options["rate"],
                    "price": options.get("price"),
                    "step": step,
                    "weight": weight,
                }
            )
        steps = range(1, min(len(rows), routing.MOST_STEPS) + 1)
        return super().get_context(name, value, attrs) | {"rows": rows, "steps": steps}

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,  # noqa: ARG002
    ) -> SafeString:
        # Ours is among the pages' templates, where Django's form renderer does not look.
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def value_from_datadict(self, data: Mapping[str, Any], _files: Any, name: str) -> Any:
        """A plan, its steps without gaps; a weight that is no number is 0, which no plan has."""
        steps: dict[int, list[dict[str, Any]]] = {}
        for gateway in settings.GATEWAYS:
            step = data.get(f"{name}-{gateway}-step", "")
            weight = data.get(f"{name}-{gateway}-weight", "1")
            if step.isdecimal() and int(step):
                weight = int(weight) if weight.isdecimal() else 0
                steps.setdefault(int(step), []).append({"gateway": gateway, "weight": weight})
        return [steps[number] for number in sorted(steps)]


class CampaignForm(forms.ModelForm[Campaign]):
    """All that is decided of a campaign; the verb that plans it judges."""

    # An empty plan is refused by the verb, with words of its own.
    plan = forms.Field(label=_("发送方案"), widget=PlanWidget, required=False)

    class Meta:
        model = Campaign
        fields = (
            *("meeting", "kind", "plan", "wording", "code_wording"),
            *("send_from", "send_until", "start_at", "alarm_percent"),
        )
        widgets = {
            "wording": forms.Textarea(attrs={"rows": 3, "cols": 60}),
            "code_wording": forms.Textarea(attrs={"rows": 3, "cols": 60}),
            "send_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "send_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "start_at": forms.DateTimeInput(attrs={"type": "datetime-local"}),
        }
        help_texts = {
            "wording": _(
                "留空用该类型的标准文字。可用变量：{简称}、{代码}、{届次}、{月}、{日}、{股东}（脱敏）、"
                "{链接}；{链接}前后各留一个空格。"
            ),
            "code_wording": _(
                "方案中有只能发固定网址的通道时用；留空用标准文字。变量同上，但以{网址}和{投票码}"
                "代替{链接}。"
            ),
            "send_from": _("北京时间，最早8:00。"),
            "send_until": _("北京时间，最晚22:00；演练会议不受时段限制。"),
            "start_at": _("留空则复核后由人工开始。"),
            "alarm_percent": _("失败和结果不明超过这一比例时自动暂停。"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = {state for states in campaigns.SENDABLE.values() for state in states}
        meetings = Meeting.objects.filter(state__in=told).select_related("issuer")
        self.fields["meeting"].queryset = meetings.order_by(  # type: ignore[attr-defined]
            "-meeting_date", "-id"
        )
        if len(settings.GATEWAYS) == 1:
            self.fields["plan"].initial = routing.plan_of(*settings.GATEWAYS)

    def words(self, mode: LinkMode) -> str:
        """The wording for a mode: what was typed, else the standard one; blank where not needed."""
        cleaned = self.cleaned_data
        if mode not in sendable.modes_of(cleaned["plan"]):
            return ""
        typed = cleaned["wording" if mode is LinkMode.PERSONAL else "code_wording"]
        return str(typed) or wording.default_wording(cleaned["kind"], mode)


def _initial(meeting: str) -> dict[str, Any]:
    """The meeting, with what the issuer's last notice said and by which ways it went."""
    initial: dict[str, Any] = {"meeting": meeting}
    found = Meeting.objects.filter(pk=int(meeting) if meeting.isdecimal() else 0).first()
    notices = Campaign.objects.filter(kind=Campaign.Kind.NOTICE).order_by("-id")
    last = notices.filter(meeting__issuer=found.issuer_id).first() if found else None
    if last is None:
        return initial
    kept = ("wording", "code_wording", "send_from", "send_until", "alarm_percent")
    initial |= {name: getattr(last, name) for name in kept}
    ways = {way["gateway"] for step in last.plan for way in step}
    return initial | ({"plan": last.plan} if ways <= settings.GATEWAYS.keys() else {})


def plan_page(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Ask what to send, and plan it; what is wrong is said beside the field that it is about."""
    require_role(request, Role.OPERATOR)
    form = CampaignForm(request.POST or None, initial=_initial(request.GET.get("meeting", "")))
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        try:
            campaign = campaigns.plan_campaign(
                cleaned["meeting"].pk,
                kind=cleaned["kind"],
                plan=cleaned["plan"],
                wording=form.words(LinkMode.PERSONAL),
                code_wording=form.words(LinkMode.CODE),
                send_from=cleaned["send_from"],
                send_until=cleaned["send_until"],
                start_at=cleaned["start_at"],
                alarm_percent=cleaned["alarm_percent"],
                by=actor_of(request),
                now=timezone.now(),
            )
        except sendable.CannotWord as refusal:
            field = "wording" if refusal.mode is LinkMode.PERSONAL else "code_wording"
            form.add_error(field, refusal.message)
        except sendable.CannotSend as refusal:
            form.add_error(FIELD_OF.get(type(refusal)), refusal.message)
        else:
            if campaign.state == Campaign.State.PLANNING:
                tasks.plan_now()
            return redirect("admin:notifications_campaign_change", campaign.pk)
    context = {**site.each_context(request), "title": _("新的发送批次"), "form": form}
    status = 422 if form.errors else 200
    return render(request, "admin/notifications/campaign/plan.html", context, status=status)
