"""Holders and staff on hosts of their own, where STAFF_URL names another than PUBLIC_URL.

A page of one side is not found on the other's host: a script that got into the pages of holders
could not even ask for the admin, and the staff's host can stand behind the exchange's own network.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

STAFF_PATHS = ("/admin/", "/staff/", "/secretary/")
PATHS_OF_BOTH = ("/static/", "/preferences", "/live", "/ready", "/robots.txt")


class HostsMiddleware:
    """Http404 for a path on the host of the other side."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        staff, public = (urlsplit(url).netloc for url in (settings.STAFF_URL, settings.PUBLIC_URL))
        if staff != public and not request.path.startswith(PATHS_OF_BOTH):
            is_for_staff = request.path.startswith(STAFF_PATHS)
            if (request.get_host() == staff) != is_for_staff:
                raise Http404
        return self.get_response(request)
