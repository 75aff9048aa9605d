"""Who did what, to be read and searched, never changed: all of it, and a page for each meeting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from meetings.admin.journal_words import KINDS, word_of
from meetings.models import JournalEntry, Meeting
from voting_portal.admin import OperatorAdmin, names_of, require_role
from voting_portal.common.roles import READS_JOURNAL

PAGE = 50
RECENT = 8


@dataclass(frozen=True)
class Line:
    """An entry in words."""

    at: datetime
    what: str
    verb: str
    who: str
    details: str


def lines_of(entries: Iterable[JournalEntry]) -> list[Line]:
    """Entries in words, with the names of those who acted; two queries however many."""
    entries = list(entries)
    names = names_of(entry.actor for entry in entries)
    return [
        Line(
            at=entry.at,
            what=word_of(entry.verb),
            verb=entry.verb,
            who=f"{names[entry.actor]} ({entry.actor})" if entry.actor in names else entry.actor,
            details=" ".join(f"{name}={value}" for name, value in entry.details.items()),
        )
        for entry in entries
    ]


@require_GET
def meeting_journal(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """The journal of one meeting, newest first; `kind` shows one kind of entries only."""
    require_role(request, *READS_JOURNAL)
    meeting = get_object_or_404(Meeting.objects.select_related("issuer"), pk=meeting_id)
    entries = meeting.journal.order_by("-id")
    kind = request.GET.get("kind", "")
    if kind in KINDS:
        entries = entries.filter(verb__startswith=f"{kind}.")
    page = Paginator(entries, PAGE).get_page(request.GET.get("page"))
    context = {
        **site.each_context(request),
        "title": _("会务日志"),
        "meeting": meeting,
        "kinds": [(name, str(label)) for name, label in KINDS.items()],
        "kind": kind,
        "page": page,
        "lines": lines_of(page.object_list),
    }
    return render(request, "admin/meetings/meeting/journal.html", context)


@admin.register(JournalEntry)
class JournalAdmin(OperatorAdmin):
    readers = READS_JOURNAL
    list_display = ("at", "meeting", "verb", "actor", "details")
    list_filter = ("verb",)
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "actor", "verb")
    ordering = ("-id",)
