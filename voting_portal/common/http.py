"""What every request needs: an id, the client's address, headers, and words of all pages."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from voting_portal.common.logs import request_id

# What no page of ours asks a browser for, and no other site's page may take from us. Django and
# django-csp send the other headers; deploy/nginx.conf sends all of them with its own answers.
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class RequestIdMiddleware:
    """Give the request an id that logs carry and that a person can read out on the phone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = request_id.set(secrets.token_hex(6))
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id.get()
        finally:
            request_id.reset(token)
        return response


class HeadersMiddleware:
    """Send HEADERS with every answer, files and errors included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response[name] = value
        return response


def client_address(request: HttpRequest) -> str:
    """The address that our own outermost proxy server saw.

    X-Forwarded-For is a list to which each hop appends; only the entry that our own hop wrote,
    PROXY_HOPS from the end, cannot be made up by the client.
    """
    hops = settings.PROXY_HOPS
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    if hops and len(forwarded) >= hops and (address := forwarded[-hops].strip()):
        return address
    return str(request.META.get("REMOTE_ADDR", ""))


def see_other(to: str, *args: object) -> HttpResponseRedirect:
    """303: look there with a GET, whatever was posted here."""
    response = HttpResponseRedirect(resolve_url(to, *args))
    response.status_code = 303
    return response


def is_own_path(to: str) -> bool:
    """Whether a wish where to go is a path of this host: never another site, nor a view's name."""
    return to.startswith("/") and url_has_allowed_host_and_scheme(to, allowed_hosts=None)


def page_context(request: HttpRequest) -> dict[str, object]:
    return {
        "hotline": settings.HOTLINE,
        "host": urlsplit(settings.PUBLIC_URL).netloc,
        "request_id": request_id.get(),
        "is_large": request.COOKIES.get(settings.TYPE_COOKIE_NAME) == "large",
    }
