"""The page of a meeting's log that anybody may read, and ask whether a code is in it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ballots.log.checkpoints import NotLogged, Signed, first_checkpoint, last_checkpoint
from ballots.log.keys import Reign, note_key, reigns_of
from ballots.log.models import MeetingLog
from ballots.log.promises import is_logged
from ballots.log.qr import qr_of
from ballots.log.starting import start_text
from identity import limits
from meetings import live
from meetings.agenda import Agenda
from meetings.log_keys import newest_log_key


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def log_page(request: HttpRequest, meeting: int) -> HttpResponse:
    """What binds the register before the vote and the count after it; POST asks about a code.

    Before the close nothing on it depends on how many have voted.
    """
    agenda = _agenda(meeting)
    context: dict[str, object] = {"agenda": agenda}
    started = MeetingLog.objects.select_related("meeting").filter(pk=meeting).first()
    purged_at = started.meeting.purged_at if started else None
    if started is not None:
        context |= {
            "started": started,
            "register": bytes(started.register_root).hex(),
            "first": first_checkpoint(started),
            "reigns": reigns_of(meeting),
            "purged_at": purged_at,
        }
        # With the meeting's keys went what opens an entry of the log.
        if purged_at is None:
            context["start"] = start_text(started)
    else:
        context["reigns"] = [Reign(note_key(newest_log_key()), 1, None)]
    if checkpoint := _last(meeting):
        picture = qr_of(checkpoint.note, title=_("最终检查点二维码"))
        context |= {"checkpoint": checkpoint, "picture": picture}
    status = 200
    if request.method == "POST" and purged_at is None:
        status = _look_up(request, meeting, context)
    response = render(request, "ballots/log.html", context, status=status)
    response["X-Robots-Tag"] = "noindex"
    return response


@login_not_required
@require_safe
def checkpoint(_request: HttpRequest, meeting: int) -> HttpResponse:
    """The signed note that the page shows: the last one after the close, the first one before."""
    _agenda(meeting)
    started = MeetingLog.objects.filter(pk=meeting).first()
    if started is None:
        raise Http404
    shown = _last(meeting) or first_checkpoint(started)
    return HttpResponse(shown.note, content_type="text/plain; charset=utf-8")


def _agenda(meeting: int) -> Agenda:
    agenda = live.public_agenda(meeting)
    if agenda is None:
        raise Http404
    return agenda


def _last(meeting: int) -> Signed | None:
    try:
        return last_checkpoint(meeting)
    except NotLogged:
        return None


def _look_up(request: HttpRequest, meeting: int, context: dict[str, object]) -> int:
    """Put the answer about a code into the context; the status of the page."""
    code = request.POST.get("code", "")[:64]
    context["code"] = code
    try:
        limits.check(limits.LOG_FAILURES, request)
        answer = is_logged(meeting, code)
        if not answer:
            limits.count(limits.LOG_FAILURES, request)
    except limits.TooMany as refusal:
        context["refusal"] = refusal
        return refusal.status
    context["answer"] = {True: "logged", False: "unknown", None: "malformed"}[answer]
    return 422 if answer is None else 200
