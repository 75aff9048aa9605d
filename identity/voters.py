"""The voter (已核验的股东): a holder whose browser carries a signed cookie for one meeting.

The cookie is the session: nothing of it is kept on the server, so losing Redis or a restart logs
nobody out. It is signed, not sealed, and holds no personal data. Sign-out takes the cookie away; a
copy of it would end by itself after IDLE or WHOLE, and AFTER_VOTE once there is nothing left to
cast, which the books say and no cookie can deny.

Level 0 is the link alone, level 1 the link and a code to the registered phone.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from identity.links import Link
from voting_portal.common import ids

IDLE = timedelta(minutes=10)
WHOLE = timedelta(minutes=30)
AFTER_VOTE = timedelta(minutes=5)
_SALT = "identity.voters"
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Voter:
    """One browser's session; `started` and `seen` are seconds since 2020."""

    holder_id: int
    generation: int
    level: int
    browser: str  # a nonce: a code is answered in the browser that asked for it
    started: int
    seen: int

    @property
    def meeting_id(self) -> int:
        return ids.meeting_of(self.holder_id)

    @property
    def ends_at(self) -> datetime:
        """When it ends if nothing more is asked."""
        seen, started = timedelta(seconds=self.seen), timedelta(seconds=self.started)
        return _EPOCH + min(seen + IDLE, started + WHOLE)

    @property
    def ends(self) -> str:
        """The same on a clock in Beijing: 14:05."""
        return timezone.localtime(self.ends_at).strftime("%H:%M")


def is_over(voter: Voter, *, done_at: datetime | None, now: datetime) -> bool:
    """Whether the session ended with the holder's last ballot, AFTER_VOTE ago or more.

    One begun after the ballot was begun to look at it, and lives as long as any other.
    """
    if done_at is None:
        return False
    return voter.started <= _seconds(done_at) and now >= done_at + AFTER_VOTE


class VoterRequest(HttpRequest):
    """A request that came through `voter_required`."""

    voter: Voter


def begin(link: Link, *, now: datetime) -> Voter:
    """A session of level 0 for the holder whom the link names."""
    at = _seconds(now)
    return Voter(link.holder_id, link.generation, 0, secrets.token_urlsafe(16), at, at)


def verified(voter: Voter, *, level: int, now: datetime) -> Voter:
    """The session after a step up: a new nonce, so nothing of the old one can be replayed."""
    return replace(voter, level=level, browser=secrets.token_urlsafe(16), seen=_seconds(now))


def keep(response: HttpResponseBase, voter: Voter) -> None:
    """Put the session into the browser."""
    response.set_cookie(
        _cookie(voter.meeting_id),
        signing.dumps(astuple(voter), salt=_SALT),
        max_age=WHOLE,
        httponly=True,
        samesite="Lax",
        secure=settings.IS_PRODUCTION,
    )


def end(response: HttpResponseBase, meeting_id: int) -> None:
    """Sign out, and forget what was filled in."""
    response.delete_cookie(_cookie(meeting_id), samesite="Lax")
    response.delete_cookie(draft_cookie(meeting_id), samesite="Lax")


def draft_cookie(meeting_id: int) -> str:
    """The name of the cookie of a paper half filled in (ballots/draft.py)."""
    return f"{_cookie(meeting_id)}-draft"


def has_draft(request: HttpRequest) -> bool:
    """Whether this browser keeps a paper half filled in, of any meeting."""
    prefix = settings.VOTER_COOKIE_PREFIX
    return any(n.startswith(prefix) and n.endswith("-draft") for n in request.COOKIES)


def read_voter(request: HttpRequest, meeting_id: int, *, now: datetime) -> Voter | None:
    """The session of this browser for the meeting; None when there is none or it has ended."""
    try:
        voter = Voter(*signing.loads(request.COOKIES.get(_cookie(meeting_id), ""), salt=_SALT))
    except (signing.BadSignature, TypeError, ValueError):
        return None
    if voter.meeting_id != meeting_id or now >= voter.ends_at:
        return None
    return voter


def voter_required(level: int = 1) -> Callable[[View], View]:
    """Let only this meeting's voter of that level in, as `request.voter`.

    Others are sent to the page that says how to begin (again), or to the code's page.
    """

    def decorate(view: View) -> View:
        @login_not_required
        @functools.wraps(view)
        def guarded(
            request: HttpRequest, meeting: int, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            now = timezone.now()
            voter = read_voter(request, meeting, now=now)
            if voter is None:
                response: HttpResponseBase = redirect("identity:start")
            elif voter.level < level:
                response = redirect("identity:code", meeting)
            else:
                voter = replace(voter, seen=_seconds(now))
                asked = cast(VoterRequest, request)
                asked.voter = voter
                response = view(asked, meeting, *args, **kwargs)
                if _cookie(meeting) not in response.cookies:
                    keep(response, voter)
            return private(response)

        return guarded

    return decorate


def private(response: HttpResponseBase) -> HttpResponseBase:
    """For one person's eyes: kept by no cache and found by no search engine."""
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, noarchive"
    return response


def is_cross_site(request: HttpRequest) -> bool:
    """Whether another site made the browser send this; old browsers do not tell."""
    return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}


def _cookie(meeting_id: int) -> str:
    return f"{settings.VOTER_COOKIE_PREFIX}{meeting_id}"


def _seconds(now: datetime) -> int:
    return int((now - _EPOCH).total_seconds())
