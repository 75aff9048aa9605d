"""What anybody may read: the papers of a meeting, help, the privacy notice."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from meetings import live
from meetings.models import Document

# A title is what somebody wrote; what would lead out of a folder or a header is written otherwise.
NO_NAME_OF_A_FILE = str.maketrans(dict.fromkeys('/\\"<>|:*?\r\n', "_"))


@login_not_required
@require_safe
def document(_request: HttpRequest, meeting: int, number: int) -> HttpResponse:
    """A paper of the meeting as a PDF file; it never changes under its address."""
    if live.public_agenda(meeting) is None:
        raise Http404
    found = Document.objects.filter(pk=number, meeting_id=meeting).first()
    if found is None:
        raise Http404
    response = HttpResponse(bytes(found.content), content_type="application/pdf")
    name = f"{found.title.removesuffix('.pdf')}.pdf".translate(NO_NAME_OF_A_FILE)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["X-Robots-Tag"] = "noindex"
    return response


@login_not_required
@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "ballots/help.html")


@login_not_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "ballots/privacy.html")


@login_not_required
@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Nothing here is for search engines."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")
