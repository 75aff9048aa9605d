"""The buttons of a campaign: one step each, taken by POST; a refusal is shown on its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from identity import limits
from notifications import campaigns, tasks, trials
from notifications.models import Campaign
from voting_portal.admin import actor_of, require_role
from voting_portal.common.refusals import Refusal
from voting_portal.common.roles import Role
from voting_portal.gateways import Outcome

State = Campaign.State
STEPS: dict[str, tuple[Callable[..., Any], Any]] = {
    "approve": (campaigns.approve_campaign, _("复核通过")),
    "start": (campaigns.start_campaign, _("开始发送")),
    "pause": (campaigns.pause_campaign, _("暂停")),
    "resume": (campaigns.resume_campaign, _("继续发送")),
    "cancel": (campaigns.cancel_campaign, _("取消")),
    "retry": (campaigns.retry_failed, _("重发暂未送达的")),
    "release": (campaigns.release_unknown, _("重发结果不明的")),
}
# What the campaign's page offers; retry and release are on the page of dead letters.
STEPS_FROM = {
    State.PLANNING: ("cancel",),
    State.DRAFT: ("approve", "cancel"),
    State.APPROVED: ("start", "cancel"),
    State.RUNNING: ("pause", "cancel"),
    State.PAUSED: ("resume", "cancel"),
}
AWAKENING = ("start", "resume", "retry", "release")
OUTCOMES = {
    Outcome.ACCEPTED: _("通道已接收。"),
    Outcome.REJECTED: _("通道拒绝了这条短信。"),
    Outcome.THROTTLED: _("通道繁忙，没有发出。"),
    Outcome.NOT_SENT: _("连接不上通道，没有发出。"),
    Outcome.UNKNOWN: _("通道没有应答，不知道是否发出。"),
    Outcome.MISCONFIGURED: _("通道拒绝了请求，请检查通道设置。"),
}


@require_POST
def take_step(request: HttpRequest, campaign_id: int, name: str) -> HttpResponse:
    """One of STEPS; sending again what may have arrived wants a tick that says so."""
    if name not in STEPS:
        raise Http404
    require_role(request, Role.APPROVER if name == "approve" else Role.OPERATOR)
    verb, label = STEPS[name]
    if name == "release" and request.POST.get("is_understood") != "yes":
        messages.error(request, _("没有执行：请先勾选您知道部分股东可能收到两条。"))
        return redirect("admin:campaign-dead-letters", campaign_id)
    try:
        verb(campaign_id, by=actor_of(request), now=timezone.now())
    except Campaign.DoesNotExist:
        raise Http404 from None
    except campaigns.CannotSend as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已执行：%(step)s") % {"step": label})
        if name in AWAKENING:
            tasks.ring_now()
    return redirect("admin:notifications_campaign_change", campaign_id)


@require_POST
def try_out(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Send the message to the operator's own phone, a few times an hour at most."""
    require_role(request, Role.OPERATOR)
    by = actor_of(request)
    try:
        limits.count(limits.TRIALS, request, subject=by)
        result = trials.send_trial(
            campaign_id,
            gateway=request.POST.get("gateway", ""),
            phone=request.POST.get("phone", ""),
            by=by,
            now=timezone.now(),
        )
    except Campaign.DoesNotExist:
        raise Http404 from None
    except (Refusal, limits.TooMany) as refusal:
        messages.error(request, refusal.message)
    else:
        is_sent = result.outcome is Outcome.ACCEPTED
        level = messages.SUCCESS if is_sent else messages.WARNING
        words = _("试发：%(outcome)s") % {"outcome": OUTCOMES[result.outcome]}
        messages.add_message(request, level, f"{words} {result.reason}".strip())
    return redirect("admin:notifications_campaign_change", campaign_id)
