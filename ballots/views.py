"""A holder's ballot: the paper, its review, the cast and the confirmation.

No step can be skipped or repeated: the rules judge what arrives, not which page it came from, and
whoever has a ballot in the books is shown it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from ballots.casting import cast_ballot
from ballots.draft import keep_draft, keep_what_came_late, read_draft
from ballots.entitlement import Entitlement, read_entitlement
from ballots.models import Opinion
from ballots.paper import Paper, marked_class
from ballots.rules import AlreadyCast, BadBallot, CannotCast, NotTaken, NoVotes, RecusedOnly
from ballots.sheet import drawn_page
from ballots.stage import Stage, stage_of
from identity.preferences import with_preferences
from identity.voters import VoterRequest, draft_cookie, end, is_over, voter_required
from meetings import live
from meetings.agenda import Agenda, ClassPaper
from meetings.models import Holder
from voting_portal.common.counters import CASTS_REFUSED
from voting_portal.common.http import see_other

Page = Callable[[VoterRequest, Entitlement, Agenda], HttpResponseBase]


def holder_page(page: Page) -> Callable[..., HttpResponseBase]:
    """A page of a verified holder, with what the holder is entitled to now.

    A session in which the last ballot was cast ends soon after it: on a phone that is handed on,
    the choices stay on the page for a while and come back with a new code only.
    """

    @voter_required(level=1)
    @with_preferences
    @functools.wraps(page)
    def shown(request: VoterRequest, meeting: int) -> HttpResponseBase:
        voter = request.voter
        entitlement = read_entitlement(voter.holder_id, voter.generation)
        if entitlement is None or live.live_meeting(meeting) is None:
            return see_other("identity:start")
        agenda = live.agenda(meeting)
        if is_over(voter, done_at=entitlement.done_at(agenda), now=timezone.now()):
            response = see_other("identity:start")
            end(response, meeting)
            return response
        if voter.level < entitlement.level_needed(agenda):
            return see_other("identity:ways", meeting)
        return page(request, entitlement, agenda)

    return shown


def late_forms_are_kept(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A form that comes when its session is over costs its holder no choice."""

    @functools.wraps(view)
    def shown(request: VoterRequest, meeting: int) -> HttpResponseBase:
        response = view(request, meeting)
        is_over = response.get("Location") == reverse("identity:start")
        if request.method == "POST" and is_over and draft_cookie(meeting) not in response.cookies:
            keep_what_came_late(request, response, meeting)
        return response

    return shown


def paper_page(
    page: Callable[[VoterRequest, Paper], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """A page that works on the holder's next paper, as the form has it.

    Whoever has none left sees the confirmation; a form of another holder changes nothing.
    """

    @late_forms_are_kept
    @holder_page
    @functools.wraps(page)
    def shown(request: VoterRequest, entitlement: Entitlement, agenda: Agenda) -> HttpResponseBase:
        share_class = entitlement.next_class(agenda)
        if request.method == "POST":
            share_class = marked_class(entitlement, agenda, request.POST.get("mark", ""))
            if share_class is None:
                context = {"agenda": agenda}
                return render(request, "ballots/other_paper.html", context, status=409)
        if share_class is None and not entitlement.cast:
            return _refused(request, agenda, NoVotes())
        if share_class is None or share_class.number in entitlement.cast:
            return see_other("ballots:confirmation", agenda.meeting_id)
        if refusal := _why_not(request, entitlement, agenda, share_class):
            return _refused(request, agenda, refusal)
        paper = Paper(
            entitlement=entitlement,
            agenda=agenda,
            share_class=share_class,
            data=request.POST.dict(),
        )
        return page(request, paper)

    return shown


@require_http_methods(["GET", "HEAD", "POST"])
@paper_page
def ballot(request: VoterRequest, paper: Paper) -> HttpResponseBase:
    """The paper to fill in; its buttons come back here with everything kept.

    一键填写 leads on to the review when nothing is left to fill in: three taps from the link.
    """
    if request.method != "POST":
        return _ballot_page(request, read_draft(request, paper) or paper)
    asked = request.POST
    if (opinion := asked.get("fill")) in Opinion.values:
        paper = paper.filled(Opinion(opinion))
        if paper.is_complete:
            return _kept(paper, "ballots:review") or _review_page(request, paper)
    elif number := asked.get("spread"):
        paper = paper.spread(number)
    elif number := asked.get("count"):
        paper = paper.counted(number)
    if paper.faults:
        return _ballot_page(request, paper)
    return _kept(paper, "ballots:ballot") or _ballot_page(request, paper)


@require_http_methods(["GET", "HEAD", "POST"])
@paper_page
def review(request: VoterRequest, paper: Paper) -> HttpResponseBase:
    """Every choice once more, before the step that cannot be taken back."""
    if request.method != "POST":
        draft = read_draft(request, paper)
        if draft is None:
            return see_other("ballots:ballot", paper.agenda.meeting_id)
        paper = draft
    try:
        paper.choices()
    except BadBallot as refusal:
        return _ballot_page(request, paper.refused(refusal))
    if request.method == "POST" and (response := _kept(paper, "ballots:review")):
        return response
    return _review_page(request, paper)


@require_http_methods(["GET", "HEAD", "POST"])
@paper_page
def cast(request: VoterRequest, paper: Paper) -> HttpResponseBase:
    """Put the ballot in the books. The first one counts, so a second try shows the first."""
    agenda = paper.agenda
    if request.method != "POST":
        return see_other("ballots:ballot", agenda.meeting_id)
    try:
        cast_ballot(
            entitlement=paper.entitlement,
            agenda=agenda,
            share_class=paper.share_class.number,
            choices=paper.choices(),
            level=request.voter.level,
            declared=paper.declared,
        )
    except AlreadyCast:
        pass
    except CannotCast as refusal:
        CASTS_REFUSED.labels(refusal.reason).inc()
        if isinstance(refusal, BadBallot):
            return _ballot_page(request, paper.refused(refusal))
        return _refused(request, agenda, refusal)
    response = see_other("ballots:confirmation", agenda.meeting_id)
    response.delete_cookie(draft_cookie(agenda.meeting_id), samesite="Lax")
    return response


@require_safe
@holder_page
def confirmation(
    request: VoterRequest, entitlement: Entitlement, agenda: Agenda
) -> HttpResponseBase:
    """What is in the books for this holder: the same page however often it is asked for."""
    if not entitlement.cast:
        return see_other("ballots:ballot", agenda.meeting_id)
    context = {
        "agenda": agenda,
        "voter": request.voter,
        "ballots": [
            (ballot, Paper.of_ballot(ballot, entitlement=entitlement, agenda=agenda))
            for ballot in entitlement.cast.values()
        ],
        "next_class": entitlement.next_class(agenda) if _is_open(agenda) else None,
        "stage": _stage(agenda),
    }
    return render(request, "ballots/confirmation.html", context)


def _why_not(
    request: VoterRequest, entitlement: Entitlement, agenda: Agenda, share_class: ClassPaper
) -> CannotCast | None:
    """What makes filling in the paper useless. What is posted is judged by casting alone."""
    motions = agenda.votable(share_class)
    if entitlement.holder.kind == Holder.Kind.VOTELESS:
        return NoVotes()
    if all(motion.number in entitlement.recused for motion in motions):
        return RecusedOnly()
    if request.method != "POST" and not _is_open(agenda):
        return NotTaken()
    return None


def _stage(agenda: Agenda) -> Stage | None:
    meeting = live.live_meeting(agenda.meeting_id)
    return stage_of(meeting, at=timezone.now()) if meeting else None


def _is_open(agenda: Agenda) -> bool:
    return _stage(agenda) == Stage.OPEN


def _kept(paper: Paper, page: str) -> HttpResponseBase | None:
    """Keep the draft and show the page by a GET; None when the draft is too long to keep."""
    response = see_other(page, paper.agenda.meeting_id)
    return response if keep_draft(response, paper) else None


def _ballot_page(request: VoterRequest, paper: Paper) -> HttpResponseBase:
    page = drawn_page("ballots/ballot.html", "ballots/cumulative_line.html", request, paper)
    return HttpResponse(page, status=422 if paper.faults else 200)


def _review_page(request: VoterRequest, paper: Paper) -> HttpResponse:
    return HttpResponse(drawn_page("ballots/review.html", "ballots/answer.html", request, paper))


def _refused(request: VoterRequest, agenda: Agenda, refusal: CannotCast) -> HttpResponseBase:
    context = {"agenda": agenda, "refusal": refusal}
    return render(request, "ballots/refused.html", context, status=409)
