"""Pages on the way in: the link, the code, the sign-in of staff."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def start_again(request: HttpRequest, **_reason: str) -> HttpResponse:
    """The form came without its cookie: ask the person to open the link once more."""
    return render(request, "identity/start_again.html", status=403)
