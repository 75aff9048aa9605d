"""A way to a provider and back (核验往返): begun by a button or by a broker's app.

What must be known when the browser is back, it carries itself, signed and for ten minutes; the
provider's answer is bound to it by `state` and `nonce`.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from dataclasses import astuple, replace
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from identity import assertions, limits, voters
from identity.providers import Attempt, CannotProve, Provider, Subject, provider
from identity.turns import NotYourTurn, wait_for_turn
from identity.voters import VoterRequest, private, voter_required
from meetings import live
from meetings.keys import KeyDestroyed
from meetings.models import Holder
from meetings.register.records import open_person
from voting_portal.common.http import see_other
from voting_portal.common.security_notes import Note, holder_actor, note

LIFE = timedelta(minutes=10)
_SALT = "identity.attempts"
logger = logging.getLogger(__name__)


@require_POST
@voter_required(level=0)
def begin(request: VoterRequest, meeting: int, name: str) -> HttpResponseBase:
    """Send the holder of this session to a provider."""
    chosen, voter = _provider(name), request.voter
    holder = Holder.objects.filter(pk=voter.holder_id, link_generation=voter.generation).first()
    if holder is None or voter.level < chosen.needs_level:
        raise Http404
    attempt = _attempt(name, meeting, holder_id=holder.pk, generation=voter.generation)
    attempt = replace(attempt, level=voter.level)
    try:
        wait_for_turn(holder.pk)
        limits.count(limits.PROVIDERS_ASKED, request)
        return _send(chosen, attempt, subject=None if chosen.knows_holders else _subject(holder))
    except NotYourTurn:
        return see_other("identity:wait", meeting)
    except (CannotProve, limits.TooMany) as refusal:
        return _refused(request, attempt, refusal)


@login_not_required
@csrf_exempt  # a broker's app begins it; all that happens is a way to that broker
def begin_elsewhere(request: HttpRequest, name: str) -> HttpResponseBase:
    """A broker's app opens a ballot: login initiated by a third party, as OpenID Connect has it.

    `iss` must be the provider's and `target_link_uri` the ballot of a meeting here.
    """
    chosen = _provider(name)
    words = request.POST if request.method == "POST" else request.GET
    meeting = _meeting_of(words.get("target_link_uri", ""))
    if not chosen.knows_holders or words.get("iss") != getattr(chosen, "issuer", None):
        raise Http404
    if meeting is None or live.live_meeting(meeting) is None:
        raise Http404
    attempt = _attempt(name, meeting)
    try:
        limits.count(limits.PROVIDERS_ASKED, request)
        return _send(chosen, attempt, subject=None)
    except (CannotProve, limits.TooMany) as refusal:
        return _refused(request, attempt, refusal)


@login_not_required
@require_safe
def back(request: HttpRequest, name: str) -> HttpResponseBase:
    """The browser is back: what it brings is checked, and the provider asked."""
    chosen, now = _provider(name), timezone.now()
    attempt = _kept(request, name, state=request.GET.get("state", ""))
    if attempt is None:
        return see_other("identity:start")
    try:
        limits.check(limits.PROVIDER_FAILURES, request)
        evidence = chosen.finish(attempt, request.GET.dict(), back=_back(name), now=now)
        link = assertions.accept(attempt, evidence, now=now)
    except limits.TooMany as refusal:
        return _refused(request, attempt, refusal)
    except CannotProve as refusal:
        logger.warning("provider %s: %s", name, refusal.reason)
        actor = holder_actor(attempt.holder_id) if attempt.holder_id else ""
        reason, meeting = type(refusal).__name__, attempt.meeting_id
        note(
            Note.HOLDER_NOT_VERIFIED, request, actor=actor, meeting=meeting, way=name, reason=reason
        )
        try:
            limits.count(limits.PROVIDER_FAILURES, request)
        except limits.TooMany as too_many:
            return _refused(request, attempt, too_many)
        return _refused(request, attempt, refusal)
    voter = voters.read_voter(request, link.meeting_id, now=now)
    if voter is None or (voter.holder_id, voter.generation) != (link.holder_id, link.generation):
        voter = voters.begin(link, now=now)
    response = see_other("ballots:ballot", link.meeting_id)
    level = max(voter.level, evidence.level)
    actor = holder_actor(voter.holder_id)
    note(
        Note.HOLDER_VERIFIED,
        request,
        actor=actor,
        meeting=link.meeting_id,
        way=name,
        proved=level,
    )
    voters.keep(response, voters.verified(voter, level=level, now=now))
    _forget(response, name)
    return private(response)


def _provider(name: str) -> Provider:
    found = provider(name)
    if found is None:
        raise Http404
    return found


def _attempt(name: str, meeting: int, *, holder_id: int = 0, generation: int = 0) -> Attempt:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _each in range(3))
    return Attempt(name, meeting, holder_id, generation, 0, state, nonce, verifier)


def _send(chosen: Provider, attempt: Attempt, *, subject: Subject | None) -> HttpResponseBase:
    address, attempt = chosen.begin(attempt, subject=subject, back=_back(chosen.name))
    response = redirect(address)
    response.status_code = 303
    response.set_cookie(
        _cookie(chosen.name),
        signing.dumps(astuple(attempt), salt=_SALT),
        max_age=LIFE,
        httponly=True,
        samesite="Lax",  # the provider's page leads back here by a link
        secure=settings.IS_PRODUCTION,
    )
    response["Referrer-Policy"] = "no-referrer"
    return private(response)


def _kept(request: HttpRequest, name: str, *, state: str) -> Attempt | None:
    """The attempt that this browser began with this provider and that this answer belongs to."""
    kept = request.COOKIES.get(_cookie(name), "")
    try:
        attempt = Attempt(*signing.loads(kept, salt=_SALT, max_age=LIFE))
    except (signing.BadSignature, TypeError, ValueError):
        return None
    is_same = hmac.compare_digest(attempt.state.encode(), state.encode())
    return attempt if is_same and attempt.provider == name else None


def _forget(response: HttpResponseBase, name: str) -> None:
    response.delete_cookie(_cookie(name), samesite="Lax")


def _refused(
    request: HttpRequest, attempt: Attempt, refusal: CannotProve | limits.TooMany
) -> HttpResponse:
    context = {"refusal": refusal, "meeting_id": attempt.meeting_id, "has_link": attempt.holder_id}
    response = render(request, "identity/not_proved.html", context, status=refusal.status)
    _forget(response, attempt.provider)
    private(response)
    return response


def _subject(holder: Holder) -> Subject:
    try:
        person = open_person(holder)
    except KeyDestroyed:
        raise CannotProve("the keys are destroyed") from None
    return Subject(person.name, person.id_type, person.id_number, person.phone)


def _back(name: str) -> str:
    return settings.PUBLIC_URL + reverse("identity:provider-back", args=[name])


def _meeting_of(target: str) -> int | None:
    """The meeting whose ballot this address of ours is."""
    parts, ours = urlsplit(target), urlsplit(settings.PUBLIC_URL)
    if (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc):
        return None
    try:
        found = resolve(parts.path)
    except Resolver404:
        return None
    return found.kwargs["meeting"] if found.view_name == "ballots:ballot" else None


def _cookie(name: str) -> str:
    return f"{settings.VOTER_COOKIE_PREFIX}attempt-{name}"
