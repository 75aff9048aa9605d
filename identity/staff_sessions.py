"""Sessions of staff and secretaries: when they end, and what they may do before the second factor.

Idle for fifteen minutes, or eight hours old, a session is over (settings.SESSION_COOKIE_AGE,
WHOLE). A user has one: signing in elsewhere ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from identity.models import User
from identity.second_factor import BEGAN_BY_LINK
from meetings import journal
from voting_portal.common.http import client_address
from voting_portal.common.security_notes import Note, network_of, note
from voting_portal.hosts import STAFF_PATHS

WHOLE = timedelta(hours=8)
BEGAN = "began"
SIGNED_IN = "staff.signed_in"  # in the journal
BACKEND = "django.contrib.auth.backends.ModelBackend"
View = Callable[..., HttpResponseBase]


def begin(request: HttpRequest, user: User, *, by_pass: bool, now: datetime) -> None:
    """Sign the user in, without the second factor as yet."""
    login(request, user, backend=BACKEND)
    request.session[BEGAN] = now.timestamp()
    request.session[BEGAN_BY_LINK] = by_pass
    make_only(request, user)
    if settings.STAFF_SECOND_FACTOR:
        way = "link" if by_pass else "password"
        note(Note.FIRST_FACTOR, request, actor=user.actor, way=way)
    else:
        note_sign_in(request, user, now=now)


def note_sign_in(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Put on record that somebody is in, with all the factors that are asked for."""
    way = "link" if request.session.get(BEGAN_BY_LINK) else "password"
    note(Note.SIGNED_IN, request, actor=user.actor, way=way)
    address = network_of(client_address(request))
    journal.record(None, SIGNED_IN, by=user.actor, at=now, way=way, address=address)


def leave(request: HttpRequest, *, now: datetime) -> None:
    """Sign out, and put it on record."""
    user: Any = request.user
    note(Note.SIGNED_OUT, request, actor=user.actor)
    journal.record(None, "staff.signed_out", by=user.actor, at=now)
    logout(request)


def make_only(request: HttpRequest, user: User) -> None:
    """End the user's other session, wherever it is."""
    request.session.save()
    key = request.session.session_key or ""
    if user.session_key and user.session_key != key:
        import_module(settings.SESSION_ENGINE).SessionStore(user.session_key).delete()
    User.objects.filter(pk=user.pk).update(session_key=key)


def before_second_factor(view: View) -> View:
    """Mark a view that works before the second factor was given."""
    view.before_second_factor = True  # type: ignore[attr-defined]
    return view


class StaffSessionMiddleware:
    """Lead a session that is over to the sign-in, and one that is half begun to its second half.

    Pages that everybody may see are left alone: they carry `login_required = False`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path.startswith(STAFF_PATHS) and _is_refusal(response):
            _note_refused(request, response.status_code)
        return response

    def process_view(
        self, request: HttpRequest, view: View, _arguments: Any, _named: Any
    ) -> HttpResponseBase | None:
        if not getattr(view, "login_required", True) or not request.user.is_authenticated:
            return None
        if _is_over(request):
            user: Any = request.user
            note(Note.SESSION_OVER, request, actor=user.actor)
            logout(request)
            return redirect("identity:staff-login")
        match = request.resolver_match
        if request.method == "POST" and match and match.view_name == "admin:logout":
            leave(request, now=timezone.now())  # the admin's own button
            return redirect("identity:staff-login")
        if not settings.STAFF_SECOND_FACTOR or getattr(view, "before_second_factor", False):
            return None
        user = request.user
        return None if user.is_verified() else redirect("identity:second-factor")


def _is_refusal(response: HttpResponseBase) -> bool:
    """Not found, forbidden, or led from the admin to its sign-in."""
    to = response.headers.get("Location", "")
    return response.status_code in {403, 404} or to.startswith("/admin/login/")


def _note_refused(request: HttpRequest, status: int) -> None:
    """What somebody with an account asked for and may not have, or is not there."""
    user: Any = request.user
    if user.is_authenticated:
        match = request.resolver_match
        view = match.view_name if match else ""
        method = request.method or ""
        note(
            Note.ACCESS_REFUSED,
            request,
            actor=user.actor,
            view=view,
            method=method,
            status=status,
        )


def _is_over(request: HttpRequest) -> bool:
    began = request.session.get(BEGAN)
    return began is not None and timezone.now().timestamp() - began >= WHOLE.total_seconds()
