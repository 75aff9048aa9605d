"""Where a personal link leads (GET without any effect), and the button that begins the vote."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ballots.entitlement import Entitlement, read_entitlement
from ballots.stage import Stage, stage_of
from ballots.templatetags.figures import time_left
from identity import canaries
from identity import views as identity_views
from identity.links import read_link
from identity.voters import private
from meetings import live
from meetings.agenda import Agenda
from meetings.models import Holder
from voting_portal.common.http import page_context, see_other

# Stand in the frame for what is put there request by request; no text holds a NUL.
CARD, PATH, REQUEST_ID = "\0card\0", "\0path\0", "\0request\0"
_Frames = dict[tuple[str, Stage, bool], tuple[str, str]]
_frames: dict[int, tuple[int, _Frames]] = {}


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
    holder, words = entitlement.holder, page_context(request)
    context = {
        "agenda": agenda,
        "stage": str(stage),
        "holder": holder,
        "classes": [(c, holder.shares_of(c.number)) for c in entitlement.classes(agenda)],
        "ballots": [(agenda.share_classes[n], ballot) for n, ballot in entitlement.cast.items()],
        "can_vote": can_vote,
        "hotline": words["hotline"],
    }
    return HttpResponse(
        _frame(agenda, stage, words, left=time_left(agenda.polls_close_at, now))
        .replace(CARD, render_to_string("ballots/holder_card.html", context))
        .replace(PATH, escape(request.path))
        .replace(REQUEST_ID, str(words["request_id"]))
    )


def _frame(agenda: Agenda, stage: Stage, words: dict[str, object], *, left: str) -> str:
    """What is the same for every holder, rendered once and kept in the process.

    It is drawn anew when the meeting's revision or the minutes left have changed.
    """
    revision, frames = _frames.get(agenda.meeting_id, (0, {}))
    if revision != agenda.revision:
        frames = {}
        _frames[agenda.meeting_id] = agenda.revision, frames
    key = get_language() or "", stage, bool(words["is_large"])
    drawn_for, frame = frames.get(key, ("", ""))
    if drawn_for != left:
        marks = {"card": mark_safe(CARD), "home": PATH, "request_id": REQUEST_ID}  # noqa: S308
        context = words | marks | {"agenda": agenda, "stage": str(stage), "left": left}
        frame = render_to_string("ballots/landing.html", context)
        frames[key] = left, frame
    return frame
