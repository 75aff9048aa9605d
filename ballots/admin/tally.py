"""Votes of other channels, and the tally by two people.

There is no list of ballots here, and no figure of them: before the tally is open nobody sees one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django import forms
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ballots.admin.specimen import show_paper, show_specimen
from ballots.effective import NotClosed
from ballots.importing import BadVoteFile, CannotImport, import_votes
from ballots.models import Channel, Tally, TallyRequest, VoteImport
from ballots.opening import ask_for_tally, begin_opening, correct_tally, note_attempt
from ballots.tasks import count_now
from meetings.admin.steps import LINKS, STEPS, Link, Step
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting
from voting_portal.admin import OperatorAdmin, actor_of, require_role
from voting_portal.common.roles import Role

SHOWN_FAULTS = 100
Verb = Callable[[int, str, datetime], object]


def _journalled(name: str, verb: Callable[..., object]) -> Verb:
    """The step, and a line in the journal when it was tried before the close."""

    def step(meeting: int, by: str, now: datetime) -> object:
        try:
            return verb(meeting, by=by, now=now)
        except NotClosed:
            note_attempt(meeting, by=by, now=now, what=name)
            raise

    return step


class VoteFileForm(forms.Form):
    channel = forms.ChoiceField(label=_("渠道"), choices=Channel)
    file = forms.FileField(label=_("投票文件"), help_text=_("CSV、TXT（制表符）或XLSX"))


def upload_votes(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Take in a file of votes of another channel, whole or not at all."""
    require_role(request, Role.OPERATOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    form = VoteFileForm(request.POST or None, request.FILES or None)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            vote_import = import_votes(
                meeting_id,
                file,
                file_name=file.name,
                channel=Channel(form.cleaned_data["channel"]),
                by=actor_of(request),
                now=timezone.now(),
            )
        except CannotImport as refusal:
            form.add_error(None, str(refusal))
            if isinstance(refusal, BadVoteFile):
                context["faults"] = refusal.faults.kept[:SHOWN_FAULTS]
        else:
            return redirect("admin:ballots_voteimport_change", vote_import.pk)
    status = 422 if form.errors else 200
    return render(request, "admin/ballots/voteimport/upload.html", context, status=status)


@admin.register(VoteImport)
class VoteImportAdmin(OperatorAdmin):
    list_display = ("meeting", "channel", "file_name", "votes", "flagged", "imported_at")
    figures = ("file_size", "rows_read", "votes", "accepted", "flagged")
    fields = (
        ("meeting", "channel"),
        ("file_name", "file_size", "sha256"),
        ("rows_read", "votes", "accepted", "flagged"),
        ("imported_by", "imported_at"),
    )
    list_filter = ("channel",)
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "file_name", "sha256")
    ordering = ("-id",)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "meeting/<int:meeting_id>/",
                self.admin_site.admin_view(upload_votes),
                {"site": self.admin_site},
                name="vote-import",
            ),
            *super().get_urls(),
        ]


class CorrectionForm(forms.Form):
    reason = forms.CharField(
        label=_("更正原因"), max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )


def correct(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Take a counted meeting back to be counted again, with the reason."""
    require_role(request, Role.OPERATOR)
    meeting = Meeting.objects.select_related("issuer").filter(pk=meeting_id).first()
    if meeting is None:
        raise Http404
    form = CorrectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        by = actor_of(request)
        reason = form.cleaned_data["reason"]
        try:
            correct_tally(meeting_id, reason=reason, by=by, now=timezone.now())
        except CannotAdvance as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("admin:meetings_meeting_change", meeting_id)
    context = {**site.each_context(request), "form": form, "meeting": meeting}
    status = 422 if form.errors else 200
    return render(request, "admin/ballots/tally/correct.html", context, status=status)


@admin.register(Tally)
class TallyAdmin(OperatorAdmin):
    """All versions with their reasons; the figures are the secretary's."""

    fields = ("meeting", "version", "reason", "asked_by", "counted_by", "counted_at")
    list_display = ("meeting", "version", "reason", "asked_by", "counted_by", "counted_at")
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "reason")
    ordering = ("-meeting", "-version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tally]:
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "meeting/<int:meeting_id>/",
                self.admin_site.admin_view(correct),
                {"site": self.admin_site},
                name="correct-tally",
            ),
            path(
                "specimen/<int:meeting_id>/",
                self.admin_site.admin_view(show_specimen),
                {"page": "landing"},
                name="ballots-preview",
            ),
            path(
                "specimen/<int:meeting_id>/papers/<int:number>",
                self.admin_site.admin_view(show_paper),
                name="ballots-paper",
            ),
            path(
                "specimen/<int:meeting_id>/<slug:page>/",
                self.admin_site.admin_view(show_specimen),
                name="ballots-specimen",
            ),
            *super().get_urls(),
        ]


def _open(meeting: int, *, by: str, now: datetime) -> None:
    begin_opening(meeting, by=by, now=now)
    count_now()


def _is_asked(meeting: Meeting) -> bool:
    return TallyRequest.objects.filter(meeting=meeting).exists()


STEPS[5:5] = [
    Step(
        "ask-tally",
        _("申请计票"),
        (Meeting.State.CLOSED,),
        _journalled("ask-tally", ask_for_tally),
        is_due=lambda meeting: not _is_asked(meeting),
    ),
    Step(
        "open-tally",
        _("启封计票（须另一人）"),
        (Meeting.State.CLOSED,),
        _journalled("open-tally", _open),
        role=Role.SCRUTINEER,
        is_long=True,
        is_due=_is_asked,
    ),
]
LINKS.append(Link(_("导入其他渠道投票"), (Meeting.State.CLOSED,), "admin:vote-import"))
COUNTED = (Meeting.State.TALLIED, Meeting.State.CERTIFIED)
LINKS.append(Link(_("更正计票结果"), COUNTED, "admin:correct-tally"))
