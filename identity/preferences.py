"""How a person likes the pages: language and large type (大字版), in cookies for a year."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from voting_portal.common.http import is_own_path, see_other

TYPES = ("large", "normal")
View = Callable[..., HttpResponseBase]


@login_not_required
@csrf_exempt  # changes only how pages look, and works from pages that set no cookie
@require_POST
def prefer(request: HttpRequest) -> HttpResponseBase:
    """Remember what was chosen and go back to the page."""
    to = request.POST.get("next", "/")
    if not is_own_path(to):
        to = "/"
    response: HttpResponseBase = see_other(to)
    _remember(response, request.POST.get("prefer", ""))
    return response


def with_preferences(view: View) -> View:
    """For pages that are forms half filled in: `prefer` is one of their buttons, so that nothing
    is lost, and what it chose shows at once."""

    @functools.wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        chosen = request.POST.get("prefer", "")
        if chosen in TYPES:
            request.COOKIES[settings.TYPE_COOKIE_NAME] = chosen
        elif chosen in dict(settings.LANGUAGES):
            translation.activate(chosen)
        response = view(request, *args, **kwargs)
        _remember(response, chosen)
        return response

    return shown


def _remember(response: HttpResponseBase, chosen: str) -> None:
    if chosen in TYPES:
        name = settings.TYPE_COOKIE_NAME
    elif chosen in dict(settings.LANGUAGES):
        name = settings.LANGUAGE_COOKIE_NAME
    else:
        return
    response.set_cookie(
        name,
        chosen,
        max_age=timedelta(days=365),
        httponly=True,
        samesite="Lax",
        secure=settings.IS_PRODUCTION,
    )
