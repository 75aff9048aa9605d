"""The portal with one address more, /empty: a view that does nothing, the floor of every page."""

from __future__ import annotations

import os

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()


@login_not_required
def empty(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"")


urlpatterns = [path("", include("voting_portal.urls")), path("empty", empty)]
