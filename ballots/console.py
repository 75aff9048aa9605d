"""The secretary's pages (董秘): own issuers' meetings, and their results once they are counted.

Whatever is not one's own, or not counted yet, is not found. Before the close these pages know
nothing of ballots: no figure, no turnout, no difference that would tell one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ballots import announcement
from ballots.charts import opinion_bar
from ballots.models import Tally
from ballots.opening import note_attempt
from identity.models import User
from meetings import journal
from meetings.agenda import read_agenda
from meetings.models import Meeting

P = ParamSpec("P")
FORMATS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        announcement.as_xlsx,
    ),
    "csv": ("text/csv; charset=utf-8", announcement.as_csv),
}


def secretary_required(
    view: Callable[Concatenate[HttpRequest, User, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let secretaries in; for everybody else who is signed in there is no such page."""

    @login_required
    @never_cache
    @require_safe
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or user.role != User.Role.SECRETARY:
            raise Http404
        return view(request, user, *args, **kwargs)

    return guarded


def own_meeting(user: User, meeting_id: int) -> Meeting:
    """A meeting of one of the secretary's issuers; Http404 for any other."""
    meeting = (
        Meeting.objects.select_related("issuer")
        .filter(pk=meeting_id, issuer__secretaries=user)
        .first()
    )
    if meeting is None:
        raise Http404
    return meeting


@secretary_required
def meetings(request: HttpRequest, user: User) -> HttpResponse:
    own = (
        Meeting.objects.filter(issuer__secretaries=user)
        .select_related("issuer")
        .order_by("-meeting_date", "-id")
    )
    return render(request, "console/meetings.html", {"meetings": own})


@secretary_required
def meeting_page(request: HttpRequest, user: User, meeting: int) -> HttpResponse:
    subject = own_meeting(user, meeting)
    agenda = read_agenda(subject.pk)
    tally = Tally.objects.filter(meeting=subject).first()
    context: dict[str, Any] = {"meeting": subject, "agenda": agenda, "tally": tally}
    if tally is not None:
        context["tables"] = announcement.tables(agenda, tally.content)
        context["bars"] = [
            (motion, opinion_bar(tally.content["motions"][motion.number]["total"]))
            for motion in agenda.motions
            if not motion.is_cumulative and not motion.is_heading
        ]
    return render(request, "console/meeting.html", context)


@secretary_required
def download(_request: HttpRequest, user: User, meeting: int, form: str) -> HttpResponse:
    subject = own_meeting(user, meeting)
    if subject.polls_sealed_at is None:
        note_attempt(subject.pk, by=user.actor, now=timezone.now(), what="result.download")
        raise PermissionDenied
    tally = Tally.objects.filter(meeting=subject).first()
    if tally is None or form not in FORMATS:
        raise Http404
    content_type, write = FORMATS[form]
    document = write(read_agenda(subject.pk), tally.content)
    now = timezone.now()
    journal.record(subject, "result.downloaded", by=user.actor, at=now, format=form)
    name = f"{subject.issuer.security_code}-{subject.meeting_date:%Y%m%d}-result.{form}"
    return HttpResponse(
        document,
        headers={
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
