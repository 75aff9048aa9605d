"""A holder's way in: from the link to the code, out again, and what to do when it fails."""

from __future__ import annotations

import functools
import unicodedata
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from identity import challenges, institutions, limits
from identity.challenges import CannotVerify
from identity.links import Link, personal_url
from identity.providers import providers
from identity.turns import NotYourTurn, wait_for_turn
from identity.vote_codes import holder_of_code
from identity.voters import (
    Voter,
    VoterRequest,
    begin,
    end,
    has_draft,
    is_cross_site,
    is_over,
    keep,
    private,
    read_voter,
    verified,
    voter_required,
)
from meetings import live
from meetings.agenda import Agenda
from meetings.models import Holder
from voting_portal.common import ids
from voting_portal.common.counters import INVALID_LINKS
from voting_portal.common.http import page_context, see_other
from voting_portal.common.security_notes import Note, holder_actor, note


class NotSixDigits(CannotVerify):
    message = _("请输入短信中的6位数字验证码。")


class WrongVoteCode(CannotVerify):
    message = _("股票代码或投票码不正确，请对照收到的消息再输入一次。")


def begin_session(
    request: HttpRequest,
    link: Link,
    *,
    holder: Holder,
    agenda: Agenda,
    done_at: datetime | None,
) -> HttpResponseBase:
    """A person pressed the button: give the browser a session, send the code, go and ask for it.

    A browser that is verified already goes on to the ballot; one that has a code that it may still
    answer is not sent another. `done_at` is when the holder's last ballot was cast, None before.
    """
    if is_cross_site(request):
        return start_again(request)
    now = timezone.now()
    voter = read_voter(request, link.meeting_id, now=now)
    if (
        voter is None
        or (voter.holder_id, voter.generation) != (link.holder_id, link.generation)
        or is_over(voter, done_at=done_at, now=now)
    ):
        voter = begin(link, now=now)
    if voter.level:
        return see_other("ballots:ballot", link.meeting_id)
    response: HttpResponseBase = see_other("identity:code", link.meeting_id)
    if challenges.read_codes(holder, browser=voter.browser, now=now).sent_at is None:
        try:
            _send_code(request, voter, holder, agenda)
        except NotYourTurn:
            response = see_other("identity:wait", link.meeting_id)
        except (CannotVerify, limits.TooMany) as refusal:
            _note_refusal(request, "code", refusal, holder_id=voter.holder_id)
            response = _code_page(request, voter, holder, agenda, refusal=refusal)
    keep(response, voter)
    return private(response)


@voter_required(level=0)
def code(request: VoterRequest, meeting: int) -> HttpResponseBase:
    """Ask for the code that was sent to the registered phone."""
    voter = request.voter
    if voter.level:
        return see_other("ballots:ballot", meeting)
    holder = Holder.objects.filter(pk=voter.holder_id, link_generation=voter.generation).first()
    if holder is None:
        return see_other("identity:start")
    agenda = live.agenda(meeting)
    if request.method != "POST":
        return _code_page(request, voter, holder, agenda)
    try:
        if "again" in request.POST:
            return _send_again(request, voter, holder, agenda)
        _answer(request, voter)
    except (CannotVerify, limits.TooMany) as refusal:
        _note_refusal(request, "code", refusal, holder_id=voter.holder_id)
        return _code_page(request, voter, holder, agenda, refusal=refusal)
    _note_verified(request, voter.holder_id, way="code", level=1)
    response = see_other("ballots:ballot", meeting)
    keep(response, verified(voter, level=1, now=timezone.now()))
    return response


@voter_required(level=0)
@require_safe
def ways(request: VoterRequest, meeting: int) -> HttpResponseBase:
    """Who may vouch for a holder whose holding asks for more than a code (二级核验)."""
    if live.live_meeting(meeting) is None:
        return see_other("identity:start")
    context = {"agenda": live.agenda(meeting), "voter": request.voter}
    return render(request, "identity/ways.html", context | _ways(request.voter))


@login_not_required
def institution(request: HttpRequest, secret: str) -> HttpResponseBase:
    """A nominee's own address: shows a button, and pressing it begins a verified session."""
    now = timezone.now()
    try:
        if request.method == "POST" and not is_cross_site(request):
            link = institutions.use_entry(secret, now=now)
            response: HttpResponseBase = see_other("ballots:ballot", link.meeting_id)
            # An operator has seen who it is: as good as a provider's word.
            keep(response, verified(begin(link, now=now), level=2, now=now))
            _note_verified(request, link.holder_id, way="institution", level=2)
            return private(response)
        entry = institutions.read_entry(secret, now=now)
    except institutions.EntryOver:
        note(Note.HOLDER_NOT_VERIFIED, request, way="institution", reason="EntryOver")
        return private(render(request, "identity/bad_link.html", status=404))
    context = {"entry": entry, "agenda": live.agenda(ids.meeting_of(entry.holder_id))}
    response = render(request, "identity/institution.html", context)
    response["Referrer-Policy"] = "strict-origin"  # the address is a secret
    return private(response)


@login_not_required
@require_POST
def leave(request: HttpRequest, meeting: int) -> HttpResponseBase:
    """Sign out."""
    if voter := read_voter(request, meeting, now=timezone.now()):
        note(Note.HOLDER_LEFT, request, actor=holder_actor(voter.holder_id), meeting=meeting)
    response = see_other("identity:start")
    end(response, meeting)
    return response


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest) -> HttpResponseBase:
    """Stock code and vote code instead of a personal link; leads to where the link would."""
    refusal: CannotVerify | limits.TooMany | None = None
    if request.method == "POST":
        try:
            return private(see_other(_address_of_code(request)))
        except (CannotVerify, limits.TooMany) as refused:
            _note_refusal(request, "vote-code", refused)
            refusal = refused
    context = {"refusal": refusal, "security_code": request.POST.get("security_code", "")[:6]}
    status = refusal.status if refusal else 200
    return private(render(request, "identity/enter.html", context, status=status))


def _address_of_code(request: HttpRequest) -> str:
    """The personal link of whoever has the vote code that was typed in."""
    limits.check(limits.VOTE_CODE_FAILURES, request)
    issuer_code = unicodedata.normalize("NFKC", request.POST.get("security_code", "")).strip()[:6]
    link = holder_of_code(issuer_code, request.POST.get("vote_code", "")[:40])
    if link is None:
        limits.count(limits.VOTE_CODE_FAILURES, request)
        raise WrongVoteCode
    return personal_url(link.holder_id, link.generation)


@login_not_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """How to begin, or begin again: the session is over, or was never there."""
    return render(request, "identity/start.html", {"has_draft": has_draft(request)})


@login_not_required
@csrf_exempt
def start_again(request: HttpRequest, **_reason: str) -> HttpResponse:
    """The form came without its cookie: ask the person to open the link once more."""
    match = request.resolver_match
    note(Note.FORM_REFUSED, request, view=match.view_name if match else "")
    return render(request, "identity/start.html", {"is_refusal": True}, status=403)


def bad_link(request: HttpRequest) -> HttpResponse:
    """One answer for every link that is not in force, whatever is wrong with it.

    voting_portal/gate.py gives it again without asking Django.
    """
    status = status_of_bad_link(request)
    page = _bad_link_page(status, get_language(), bool(page_context(request)["is_large"]))
    response = HttpResponse(page, status=status)
    private(response)
    response["Referrer-Policy"] = "no-referrer"
    return response


def status_of_bad_link(request: HttpRequest) -> int:
    """Count it; 404, or 429 for an address that tries one after the other."""
    INVALID_LINKS.inc()
    try:
        limits.count(limits.INVALID_LINKS, request)
    except limits.TooMany:
        return 429
    return 404


@functools.cache  # two answers, two languages, two sizes of type: rendered once each
def _bad_link_page(status: int, _language: str, is_large: bool) -> bytes:
    template = "identity/bad_link.html" if status == 404 else "429.html"
    words = page_context(HttpRequest()) | {"is_large": is_large, "request_id": "", "home": "/"}
    return render_to_string(template, words).encode()


def _send_code(request: HttpRequest, voter: Voter, holder: Holder, agenda: Agenda) -> None:
    """Send a code, or raise NotYourTurn, TooMany or CannotVerify."""
    wait_for_turn(holder.pk)
    limits.check(limits.CODE_FAILURES, request)
    limits.count(limits.CODES_SENT, request)
    challenges.begin_challenge(holder, agenda=agenda, browser=voter.browser, now=timezone.now())
    actor = holder_actor(holder.pk)
    note(Note.CODE_ASKED, request, actor=actor, meeting=ids.meeting_of(holder.pk))


def _note_verified(request: HttpRequest, holder_id: int, *, way: str, level: int) -> None:
    """Put on the security record that a holder proved who they are."""
    actor, meeting = holder_actor(holder_id), ids.meeting_of(holder_id)
    note(Note.HOLDER_VERIFIED, request, actor=actor, meeting=meeting, way=way, proved=level)


def _note_refusal(
    request: HttpRequest, way: str, refusal: Exception, *, holder_id: int = 0
) -> None:
    actor = holder_actor(holder_id) if holder_id else ""
    meeting = ids.meeting_of(holder_id) if holder_id else None
    reason = type(refusal).__name__
    note(Note.HOLDER_NOT_VERIFIED, request, actor=actor, meeting=meeting, way=way, reason=reason)


def _send_again(
    request: HttpRequest, voter: Voter, holder: Holder, agenda: Agenda
) -> HttpResponseBase:
    try:
        _send_code(request, voter, holder, agenda)
    except NotYourTurn:
        return see_other("identity:wait", agenda.meeting_id)
    return see_other("identity:code", agenda.meeting_id)


def _answer(request: HttpRequest, voter: Voter) -> None:
    """Return when the code is right; a code that is not one costs no try."""
    given = "".join(unicodedata.normalize("NFKC", request.POST.get("code", "")).split())
    if not (len(given) == 6 and given.isascii() and given.isdigit()):
        raise NotSixDigits
    limits.check(limits.CODE_FAILURES, request)
    try:
        challenges.answer_challenge(
            voter.holder_id, browser=voter.browser, code=given, now=timezone.now()
        )
    except CannotVerify:
        limits.count(limits.CODE_FAILURES, request)
        raise


def _ways(voter: Voter) -> dict[str, object]:
    """The providers that can lift this session, for the page."""
    return {"ways": [p for p in providers() if p.needs_level <= voter.level < p.level]}


def _code_page(
    request: HttpRequest,
    voter: Voter,
    holder: Holder,
    agenda: Agenda,
    *,
    refusal: CannotVerify | limits.TooMany | None = None,
) -> HttpResponse:
    codes = challenges.read_codes(holder, browser=voter.browser, now=timezone.now())
    context = {
        "voter": voter,
        "holder": holder,
        "agenda": agenda,
        "codes": codes,
        "wait_minutes": -(-int(codes.wait.total_seconds()) // 60),
        "refusal": refusal,
        **_ways(voter),
    }
    status = refusal.status if refusal else 200
    return render(request, "identity/code.html", context, status=status)
