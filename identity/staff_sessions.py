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

WHOLE = timedelta(hours=8)
BEGAN = "began"
BACKEND = "django.contrib.auth.backends.ModelBackend"
View = Callable[..., HttpResponseBase]


def begin(request: HttpRequest, user: User, *, by_pass: bool, now: datetime) -> None:
    """Sign the user in, without the second factor as yet."""
    login(request, user, backend=BACKEND)
    request.session[BEGAN] = now.timestamp()
    request.session[BEGAN_BY_LINK] = by_pass
    make_only(request, user)


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
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, _arguments: Any, _named: Any
    ) -> HttpResponseBase | None:
        if not getattr(view, "login_required", True) or not request.user.is_authenticated:
            return None
        if _is_over(request):
            logout(request)
            return redirect("identity:staff-login")
        if not settings.STAFF_SECOND_FACTOR or getattr(view, "before_second_factor", False):
            return None
        user: Any = request.user
        return None if user.is_verified() else redirect("identity:second-factor")


def _is_over(request: HttpRequest) -> bool:
    began = request.session.get(BEGAN)
    return began is not None and timezone.now().timestamp() - began >= WHOLE.total_seconds()
