"""What anybody may read: a meeting's agenda, papers and public result, help, the privacy notice.

Pages here are the same for everybody who likes the same language and size of type, set no cookie
and show no page number. So the proxy server may keep them too (deploy/nginx.conf), for seconds, and
never past the moment at which the polls open or close.
"""

from __future__ import annotations

import math
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from ballots.models import Tally
from ballots.published import motion_results
from ballots.stage import stage_of
from meetings import live
from meetings.live import LiveMeeting
from meetings.models import Document, Meeting
from voting_portal.common import fragments
from voting_portal.common.http import page_context

# What a process knows of a meeting is as old as live.REFRESH_SECONDS at most; a copy adds this.
AGENDA_SECONDS = 5
WORDS_SECONDS = 60

# A title is what somebody wrote; what would lead out of a folder or a header is written otherwise.
NO_NAME_OF_A_FILE = str.maketrans(dict.fromkeys('/\\"<>|:*?\r\n', "_"))


@login_not_required
@require_safe
def document(_request: HttpRequest, meeting: int, number: int) -> HttpResponse:
    """A paper of the meeting as a PDF file; it never changes under its address."""
    if live.public_agenda(meeting) is None:
        raise Http404
    response = pdf_of(meeting, number)
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def pdf_of(meeting_id: int, number: int) -> HttpResponse:
    """The file to download; Http404 when the meeting has no such paper."""
    found = Document.objects.filter(pk=number, meeting_id=meeting_id).first()
    if found is None:
        raise Http404
    response = HttpResponse(bytes(found.content), content_type="application/pdf")
    name = f"{found.title.removesuffix('.pdf')}.pdf".translate(NO_NAME_OF_A_FILE)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Robots-Tag"] = "noindex"
    return response


@login_not_required
@require_safe
def agenda_page(request: HttpRequest, meeting: int) -> HttpResponse:
    """Company, meeting, times and agenda, for whoever has no link or shares what is to be voted."""
    known = live.live_meeting(meeting)
    if known is None:
        raise Http404
    now = timezone.now()
    agenda, stage = live.agenda(meeting), str(stage_of(known, at=now))
    return _public_page(
        request,
        "ballots/public_agenda.html",
        agenda.stamp,
        seconds=seconds_to_keep(known, at=now),
        agenda=agenda,
        stage=stage,
    )


@login_not_required
@require_safe
def result(request: HttpRequest, meeting: int) -> HttpResponse:
    """The result of a meeting once it is published; before that there is no such page.

    It outlives the personal data of the meeting.
    """
    agenda, tally = live.public_agenda(meeting), Tally.objects.newest_of(meeting)
    is_published = Meeting.objects.filter(pk=meeting, state=Meeting.State.PUBLISHED).exists()
    if agenda is None or tally is None or not is_published:
        raise Http404
    return _public_page(
        request,
        "ballots/result.html",
        *(agenda.stamp, tally.pk),
        seconds=AGENDA_SECONDS,
        agenda=agenda,
        attendance=tally.content["attendance"],
        results=motion_results(agenda, tally.content),
    )


@login_not_required
@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    return _public_page(request, "ballots/help.html", seconds=WORDS_SECONDS)


@login_not_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    return _public_page(request, "ballots/privacy.html", seconds=WORDS_SECONDS)


def seconds_to_keep(meeting: LiveMeeting, *, at: datetime) -> int:
    """For how many whole seconds what is said of the meeting now may be kept.

    It ends before the polls open or close. A proxy server counts in whole seconds and keeps a copy
    through the last one, so the second of the change itself is left out.
    """
    changes = (meeting.polls_open_at, meeting.polls_close_at)
    ahead = [math.ceil((change - at).total_seconds()) - 1 for change in changes if change >= at]
    return max(0, min([AGENDA_SECONDS, *ahead]))


def _public_page(
    request: HttpRequest, template: str, *facts: object, seconds: int, **context: object
) -> HttpResponse:
    words = page_context(request) | {"request_id": "", "home": request.path}
    page = fragments.drawn(
        template,
        *(facts, context.get("stage"), get_language(), sorted(words.items())),
        draw=lambda: render_to_string(template, words | context),
    )
    response = HttpResponse(page)
    response["Cache-Control"] = f"public, max-age={seconds}"
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response


@login_not_required
@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Nothing here is for search engines."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")
