"""A campaign's page: what would be sent, what became of it, and the buttons for what comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications import charts, dispatching, easing, hours, preview, routing, wording
from notifications.admin.deliveries import export_deliveries, list_deliveries, show_dead_letters
from notifications.admin.planning import plan_page
from notifications.admin.reach import reach_page
from notifications.admin.steps import STEPS, STEPS_FROM, take_step, try_out
from notifications.audiences import LEFT_OUT
from notifications.models import Campaign
from notifications.planning import planning_progress
from notifications.progress import progress, tells_of_votes, through_at
from notifications.recalling import recall_progress
from voting_portal.admin import OperatorAdmin, names_of

State = Campaign.State
View = Callable[..., HttpResponseBase]
AT_WORK = (State.APPROVED, State.RUNNING, State.PAUSED)
REFRESH_SECONDS_WHEN_PLANNING = 2
REFRESH_SECONDS, REFRESH_SECONDS_WHEN_LARGE, LARGE = 5, 30, 200_000


@admin.register(Campaign)
class CampaignAdmin(OperatorAdmin):
    """Planned on a form, changed by steps only: what was approved is what is sent."""

    fields = (
        *("meeting", "kind", "ways", "wording", "code_wording"),
        *(("send_from", "send_until"), "start_at", "alarm_percent"),
    )
    list_display = ("meeting", "batch", "kind", "ways", "state", "planned", "started_at")
    list_filter = ("kind", "state")
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "meeting__issuer__short_name")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    def get_urls(self) -> list[URLPattern]:
        wrap, site = self.admin_site.admin_view, {"site": self.admin_site}

        def of_campaign(address: str, view: View, name: str, **context: Any) -> URLPattern:
            return path(f"<int:campaign_id>/{address}/", wrap(view), context, f"campaign-{name}")

        return [
            of_campaign("step/<slug:name>", take_step, "step"),
            of_campaign("trial", try_out, "trial"),
            of_campaign("deliveries", list_deliveries, "deliveries", **site),
            of_campaign("export", export_deliveries, "export"),
            of_campaign("dead-letters", show_dead_letters, "dead-letters", **site),
            path("reach/<int:meeting_id>/", wrap(reach_page), site, name="meeting-reach"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        return plan_page(request, self.admin_site)

    @admin.display(description=_("批次"), ordering="number")
    def batch(self, campaign: Campaign) -> str:
        return _("第%(number)d批") % {"number": campaign.number + 1}

    @admin.display(description=_("发送方案"))
    def ways(self, campaign: Campaign) -> str:
        return routing.in_words(campaign.plan)

    def panel(self, campaign: Campaign) -> dict[str, Any]:
        """What the campaign's page shows above its fields."""
        now = timezone.now()
        actors = campaign.created_by, campaign.approved_by
        names = names_of(actors)
        created_by, approved_by = (names.get(actor, actor) for actor in actors)
        people = {"created_by": created_by, "approved_by": approved_by}
        is_planned = campaign.state in (State.DRAFT, State.APPROVED)
        if campaign.state == State.PLANNING:
            return people | {
                "planning": planning_progress(campaign, now=now),
                "steps": _steps(campaign),
                "is_planned": True,
                "refresh": REFRESH_SECONDS_WHEN_PLANNING,
            }
        shown = _preview(campaign) if is_planned else _progress(campaign)
        is_running = campaign.state == State.RUNNING
        return (
            people
            | shown
            | {
                "steps": _steps(campaign),
                "is_planned": is_planned,
                "is_secret": tells_of_votes(campaign),
                "hindrance": dispatching.hindrance(campaign),
                "alarms": easing.alarms(campaign) if campaign.state in AT_WORK else (),
                "opens_at": None
                if not is_running or hours.may_send(campaign, now)
                else hours.next_opening(campaign, now),
                "refresh": (
                    REFRESH_SECONDS if campaign.planned < LARGE else REFRESH_SECONDS_WHEN_LARGE
                )
                if is_running
                else None,
            }
        )


def _steps(campaign: Campaign) -> list[tuple[str, Any]]:
    return [(name, STEPS[name][1]) for name in STEPS_FROM.get(State(campaign.state), ())]


def _preview(campaign: Campaign) -> dict[str, Any]:
    channels = campaign.preview["channels"]
    through = preview.through_at(campaign, now=timezone.now())
    calls_to_vote = campaign.kind in (Campaign.Kind.NOTICE, Campaign.Kind.REMINDER)
    return {
        "preview": campaign.preview,
        "left_out": [(LEFT_OUT[r], number) for r, number in campaign.preview["left_out"].items()],
        "is_long": any(channel["segments"].keys() - {"1"} for channel in channels),
        "through_at": through,
        "expiring": preview.expiring_links(campaign, through=through)
        if calls_to_vote and through is not None
        else {},
        "is_too_late": calls_to_vote
        and through is not None
        and through > campaign.meeting.polls_close_at,
        "trial_gateways": [way["gateway"] for step in campaign.plan for way in step],
    }


def _progress(campaign: Campaign) -> dict[str, Any]:
    now = timezone.now()
    figures = progress(campaign, now=now)
    # With one gateway its column would only repeat the sum.
    by_gateway = figures.by_gateway if len(figures.by_gateway) > 1 else ()
    try:
        through = through_at(campaign, figures, now=now)
    except wording.BadWording:
        through = None  # the issuer's name has changed since
    return {
        "progress": figures,
        "recall": recall_progress(campaign) if campaign.state == State.CANCELLED else None,
        "bar": charts.bar(figures),
        "columns": charts.columns(figures.by_hour) if figures.by_hour else "",
        "hours": figures.by_hour[-charts.MOST_HOURS :],
        "gateways": [gateway for gateway, _by_state in by_gateway],
        "figures": [
            (figure, [by_state[figure.state] for _gateway, by_state in by_gateway])
            for figure in figures.figures
        ],
        "through_at": through if campaign.state == State.RUNNING else None,
        "rate": figures.rate if hours.may_send(campaign, now) else 0,
    }
