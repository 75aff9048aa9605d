"""Where a personal link leads (GET without any effect), and the button that begins the vote."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ballots.elsewhere import VotedElsewhere, voted_elsewhere
from ballots.entitlement import Entitlement, read_entitlement
from ballots.stage import Stage, stage_of
from ballots.templatetags.figures import separated, time_left
from identity import canaries
from identity import views as identity_views
from identity.links import read_link
from identity.voters import private
from meetings import live
from meetings.agenda import Agenda
from meetings.models import Holder
from voting_portal.common import fragments
from voting_portal.common.http import page_context, see_other


# No CSRF token, hence no cookie on a page that was only looked at: whoever posts here has the
# link, and all that happens is a code sent to the registered phone. Posts of other sites are
# refused by Sec-Fetch-Site.
@login_not_required
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def landing(request: HttpRequest, code: str = "") -> HttpResponseBase:
    """Company, meeting, agenda and whose vote this is; a POST begins it."""
    link = read_link(code)
    meeting = live.live_meeting(link.meeting_id) if link else None
    if link is None or meeting is None:
        return identity_views.bad_link(request)
    entitlement = read_entitlement(link.holder_id, link.generation)
    if entitlement is None:
        canaries.watch(request, link, code)
        return identity_views.bad_link(request)
    now = timezone.now()
    agenda = live.agenda(link.meeting_id)
    stage = stage_of(meeting, at=now)
    can_vote = stage == Stage.OPEN and _has_votes(entitlement, agenda)
    if request.method == "POST":
        if not (can_vote or entitlement.cast):
            return see_other(request.path)
        response = identity_views.begin_session(
            request,
            link,
            holder=entitlement.holder,
            agenda=agenda,
            done_at=entitlement.done_at(agenda),
        )
    else:
        response = _page(request, entitlement, agenda, stage, can_vote=can_vote, now=now)
    response["Referrer-Policy"] = "no-referrer"
    return private(response)


def _has_votes(entitlement: Entitlement, agenda: Agenda) -> bool:
    return (
        entitlement.holder.kind != Holder.Kind.VOTELESS
        and entitlement.next_class(agenda) is not None
    )


def _page(
    request: HttpRequest,
    entitlement: Entitlement,
    agenda: Agenda,
    stage: Stage,
    *,
    can_vote: bool,
    now: datetime,
) -> HttpResponse:
    words = page_context(request)
    is_over = stage in (Stage.CLOSED, Stage.PUBLISHED)
    elsewhere = voted_elsewhere(entitlement.holder.pk) if is_over else []
    values = {
        "card": _card(
            entitlement,
            agenda,
            stage,
            elsewhere=elsewhere,
            can_vote=can_vote,
            hotline=str(words["hotline"]),
        ),
        "left": time_left(agenda.polls_close_at, now),
        "home": request.path,
        "request_id": str(words["request_id"]),
    }
    return HttpResponse(fragments.filled(_frame(agenda, stage, words), values))


def _frame(agenda: Agenda, stage: Stage, words: dict[str, object]) -> str:
    """What is the same for every holder at this stage of the meeting."""
    marks = {name: fragments.mark(name) for name in ("card", "left", "home", "request_id")}
    context = words | marks | {"agenda": agenda, "stage": str(stage)}
    return fragments.drawn(
        "landing",
        *(agenda.stamp, str(stage), get_language()),
        *(words["is_large"], words["hotline"], words["host"]),
        draw=lambda: render_to_string("ballots/landing.html", context),
    )


def _card(
    entitlement: Entitlement,
    agenda: Agenda,
    stage: Stage,
    *,
    elsewhere: list[VotedElsewhere],
    can_vote: bool,
    hotline: str,
) -> SafeString:
    """The holder's own card. Before the vote all cards have the same words around the figures."""
    holder, classes = entitlement.holder, entitlement.classes(agenda)
    template = "ballots/holder_card.html"
    context = {
        "agenda": agenda,
        "stage": str(stage),
        "has_phone": bool(holder.phone_masked),
        "can_vote": can_vote,
        "hotline": hotline,
    }
    values = {"name": holder.name_masked, "phone": holder.phone_masked}
    values |= {f"shares-{c.number}": separated(holder.shares_of(c.number)) for c in classes}
    if entitlement.cast or elsewhere:
        ballots = [(agenda.share_classes[n], ballot) for n, ballot in entitlement.cast.items()]
        own = {
            "classes": [(c, values[f"shares-{c.number}"]) for c in classes],
            "ballots": ballots,
            "elsewhere": elsewhere,
        }
        return render_to_string(template, context | values | own)
    marks = {name: fragments.mark(name) for name in values}
    own = {"classes": [(c, marks[f"shares-{c.number}"]) for c in classes]}
    card = fragments.drawn(
        "card",
        *(agenda.stamp, str(stage), get_language(), hotline),
        *(can_vote, context["has_phone"], [c.number for c in classes]),
        draw=lambda: render_to_string(template, context | marks | own),
    )
    return fragments.filled(card, values)
