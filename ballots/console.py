"""The secretary's pages (董秘): own issuers' meetings, their agenda to approve, votes of the room
to hand in, and their results once they are counted.

Whatever is not one's own, or not counted yet, is not found. Before the close these pages know
nothing of ballots: no figure, no turnout, no difference that would tell one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ballots import announcement
from ballots.announcement_files import FORMS
from ballots.charts import charts_of
from ballots.conflicts import conflicts_of
from ballots.detail import detail_lines
from ballots.exceptions import exception_lines
from ballots.importing import BadVoteFile, CannotImport, import_votes
from ballots.models import Channel, Tally, VoteImport
from ballots.opening import note_attempt, visible_result
from ballots.public import pdf_of
from identity.models import User
from meetings import journal
from meetings.agenda import read_agenda
from meetings.agenda_approval import APPROVABLE, Approval, approval_of, approve_agenda
from meetings.calendar import read_calendar
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting
from voting_portal.common.http import see_other
from voting_portal.common.roles import Role

P = ParamSpec("P")
SHOWN_FAULTS = 100


def secretary_required(
    view: Callable[Concatenate[HttpRequest, User, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let secretaries in; for everybody else who is signed in there is no such page."""

    @login_required
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        user = request.user
        if not isinstance(user, User) or Role.SECRETARY not in user.role_set:
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


@require_safe
@secretary_required
def meetings(request: HttpRequest, user: User) -> HttpResponse:
    own = (
        Meeting.objects.filter(issuer__secretaries=user)
        .select_related("issuer")
        .order_by("-meeting_date", "-id")
    )
    now, calendar = timezone.now(), read_calendar()
    rows: list[tuple[Meeting, Approval | None, bool]] = []
    # Few meetings of a secretary are ahead at a time, so an agenda each may be read.
    for meeting in own:
        if meeting.state in APPROVABLE:
            approval = approval_of(read_agenda(meeting.pk), calendar=calendar)
            rows.append((meeting, approval, approval.is_overdue(at=now)))
        else:
            rows.append((meeting, None, False))
    return render(request, "console/meetings.html", {"rows": rows})


@require_safe
@secretary_required
def meeting_page(request: HttpRequest, user: User, meeting: int) -> HttpResponse:
    subject = own_meeting(user, meeting)
    agenda = read_agenda(subject.pk)
    tally = visible_result(subject)
    context: dict[str, Any] = {"meeting": subject, "agenda": agenda, "tally": tally}
    if subject.state in APPROVABLE:
        approval = approval_of(agenda, calendar=read_calendar())
        is_overdue = approval.is_overdue(at=timezone.now())
        context |= {"approval": approval, "is_overdue": is_overdue}
    if tally is not None:
        context["sections"] = announcement.sections(agenda, tally.content)
        context["charts"] = list(charts_of(agenda, tally.content))
    return render(request, "console/meeting.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@secretary_required
def agenda_page(request: HttpRequest, user: User, meeting: int) -> HttpResponseBase:
    """The agenda as holders will read it; POST approves what was shown."""
    subject = own_meeting(user, meeting)
    refusal: CannotAdvance | None = None
    if request.method == "POST":
        shown, now = request.POST.get("fingerprint", "")[:64], timezone.now()
        try:
            approve_agenda(subject.pk, fingerprint=shown, by=user.actor, now=now)
        except CannotAdvance as refused:
            refusal = refused
        else:
            return see_other("console:agenda", meeting)
    agenda = read_agenda(subject.pk)
    approval = approval_of(agenda, calendar=read_calendar())
    context = {
        "meeting": subject,
        "agenda": agenda,
        "approval": approval,
        "is_overdue": approval.is_overdue(at=timezone.now()),
        "is_approvable": subject.state in APPROVABLE,
        "refusal": refusal,
    }
    status = 409 if refusal else 200
    return render(request, "console/agenda.html", context, status=status)


@require_safe
@secretary_required
def document(_request: HttpRequest, user: User, meeting: int, number: int) -> HttpResponse:
    """A paper of an own meeting, before anybody else may read it."""
    subject = own_meeting(user, meeting)
    return pdf_of(subject.pk, number)


@require_http_methods(["GET", "HEAD", "POST"])
@secretary_required
def onsite(request: HttpRequest, user: User, meeting: int) -> HttpResponseBase:
    """The votes of the room: a file of them by POST, what came in, and who voted elsewhere, too.

    Before the close there is nothing to see: Http404.
    """
    subject = own_meeting(user, meeting)
    if subject.polls_sealed_at is None:
        raise Http404
    context: dict[str, Any] = {"meeting": subject}
    file = request.FILES.get("file")
    if request.method == "POST" and file is None:
        context["refusal"] = _("请选择现场投票文件。")
    elif file is not None:
        try:
            import_votes(
                subject.pk,
                file,
                file_name=file.name or "",
                channel=Channel.ONSITE,
                by=user.actor,
                now=timezone.now(),
            )
        except CannotImport as refused:
            context["refusal"] = str(refused)
            if isinstance(refused, BadVoteFile):
                context["faults"] = refused.faults.kept[:SHOWN_FAULTS]
        else:
            return see_other("console:onsite", meeting)
    context["imports"] = VoteImport.objects.filter(
        meeting=subject, channel=Channel.ONSITE
    ).order_by("-id")
    context["conflicts"] = conflicts_of(subject.pk, channel=Channel.ONSITE)
    status = 422 if "refusal" in context else 200
    return render(request, "console/onsite.html", context, status=status)


@require_safe
@secretary_required
def download(_request: HttpRequest, user: User, meeting: int, form: str) -> HttpResponse:
    subject, tally = counted(user, meeting, what=f"result.{form}")
    if form not in FORMS:
        raise Http404
    document = FORMS[form].write(read_agenda(subject.pk), tally)
    journal.record(subject, "result.downloaded", by=user.actor, at=timezone.now(), format=form)
    return HttpResponse(
        document,
        headers={
            "Content-Type": FORMS[form].content_type,
            **_attachment(subject, f"result.{form}"),
        },
    )


@require_safe
@secretary_required
def exceptions(_request: HttpRequest, user: User, meeting: int) -> StreamingHttpResponse:
    """Every vote that does not count as it was cast, as CSV straight from the database."""
    subject, _tally = with_votes(*counted(user, meeting, what="exceptions.csv"))
    now = timezone.now()
    journal.record(subject, "exceptions.downloaded", by=user.actor, at=now)
    return StreamingHttpResponse(
        exception_lines(subject.pk),
        content_type="text/csv; charset=utf-8",
        headers=_attachment(subject, "exceptions.csv"),
    )


@require_safe
@secretary_required
def detail(_request: HttpRequest, user: User, meeting: int) -> StreamingHttpResponse:
    """Every vote on every motion, masked, as CSV straight from the database."""
    subject, _tally = with_votes(*counted(user, meeting, what="detail.csv"))
    journal.record(subject, "detail.downloaded", by=user.actor, at=timezone.now())
    return StreamingHttpResponse(
        detail_lines(subject.pk),
        content_type="text/csv; charset=utf-8",
        headers=_attachment(subject, "detail.csv"),
    )


def counted(user: User, meeting_id: int, *, what: str) -> tuple[Meeting, Tally]:
    """An own meeting with its tally.

    Before the close asking is an attempt: it is journalled and forbidden. Between the close and
    the result that may be seen there is nothing yet: Http404.
    """
    subject = own_meeting(user, meeting_id)
    if subject.polls_sealed_at is None:
        note_attempt(subject.pk, by=user.actor, now=timezone.now(), what=what)
        raise PermissionDenied
    tally = visible_result(subject)
    if tally is None:
        raise Http404
    return subject, tally


def with_votes(subject: Meeting, tally: Tally) -> tuple[Meeting, Tally]:
    """The same, unless the votes were deleted with the rest of what names holders: Http404."""
    if subject.purged_at is not None:
        raise Http404
    return subject, tally


def _attachment(meeting: Meeting, name: str) -> dict[str, str]:
    name = f"{meeting.issuer.security_code}-{meeting.meeting_date:%Y%m%d}-{name}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}
