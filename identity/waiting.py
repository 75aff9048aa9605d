"""The waiting page (排队页): a holder's place, when the polls close, and the other ways to vote.

It works without scripts: the browser asks again by itself (`Refresh`), or the person does where
that was switched off. No database is asked, for there may be many who wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from identity.links import Link
from identity.turns import Turn, turn_of
from identity.voters import VoterRequest, begin, keep, voter_required
from meetings import live
from meetings.agenda import Agenda
from voting_portal.common import fragments
from voting_portal.common.http import page_context, see_other

# Whose turn comes later than this before the close is told to vote elsewhere.
TIME_TO_VOTE = timedelta(minutes=5)


@voter_required(level=0)
@require_safe
def wait(request: VoterRequest, meeting: int) -> HttpResponseBase:
    """The waiting page, until it is this holder's turn; then on to the page of the code.

    The session's half hour begins with the turn, so the session is begun anew while it waits.
    """
    voter, now = request.voter, timezone.now()
    if voter.level:
        return see_other("ballots:ballot", meeting)
    if live.live_meeting(meeting) is None:
        return see_other("identity:start")
    turn = turn_of(voter.holder_id)
    if not turn.seconds:
        response: HttpResponseBase = see_other("identity:code", meeting)
    else:
        response = _waiting_page(request, live.agenda(meeting), turn, now=now)
    keep(response, begin(Link(voter.holder_id, meeting, voter.generation), now=now))
    return response


def _waiting_page(
    request: HttpRequest, agenda: Agenda, turn: Turn, *, now: datetime
) -> HttpResponse:
    words, is_still = page_context(request), "still" in request.GET
    until = now + timedelta(seconds=turn.seconds)
    names = ("ahead", "minutes", "home", "request_id")
    context = {
        "agenda": agenda,
        "comes_late": until > agenda.polls_close_at - TIME_TO_VOTE,
        "is_still": is_still,
    }
    page = fragments.drawn(
        "identity/wait.html",
        *(agenda.stamp, context["comes_late"], is_still, get_language()),
        *(words["is_large"], words["hotline"]),
        draw=lambda: render_to_string(
            "identity/wait.html", words | context | {name: fragments.mark(name) for name in names}
        ),
    )
    values = {
        "ahead": f"{turn.ahead:,}",
        "minutes": _("%(minutes)s分钟") % {"minutes": max(1, round(turn.seconds / 60))},
        "home": request.path,
        "request_id": str(words["request_id"]),
    }
    response = HttpResponse(fragments.filled(page, values))
    response["Retry-After"] = str(turn.look_again)
    if not is_still:
        response["Refresh"] = str(turn.look_again)
    return response
