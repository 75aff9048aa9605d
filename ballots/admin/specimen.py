"""The phone's pages of a meeting before it is published, filled in by a specimen holder.

They are the holders' own templates, so what is looked at here is what will be sent. Every button
works and comes back here; nothing is stored, and each page says that it is a preview.
"""

from __future__ import annotations

import io
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from ballots.models import Opinion
from ballots.paper import Paper
from ballots.rules import BadBallot
from ballots.specimen import specimen_of, voter_of
from ballots.stage import Stage
from ballots.templatetags.figures import separated, time_left
from identity.preferences import with_preferences
from meetings.admin.steps import LINKS, Link
from meetings.agenda import Agenda, read_agenda
from meetings.models import Document, Meeting
from voting_portal.admin import require_role
from voting_portal.common.http import page_context
from voting_portal.common.roles import AT_MEETINGS

PAGES = ("landing", "ballot", "review", "done")  # done: the landing page again
CHOICES = ("language", "type", "holder")
LEADS_AWAY = {"ballots:cast": "done", "identity:leave": "done"}  # to a specimen's page
LEADS_AWAY |= {"ballots:ballot": "ballot", "ballots:review": "review"}


@csrf_exempt  # nothing is stored, and the landing page's own form carries no token
@never_cache
@with_preferences
def show_specimen(request: HttpRequest, meeting_id: int, page: str) -> Any:
    """One of PAGES; `language`, `type` (large) and `holder` (nominee) choose how it is seen."""
    require_role(request, *AT_MEETINGS)
    if page not in PAGES or not Meeting.objects.filter(pk=meeting_id).exists():
        raise Http404
    if page == "landing" and request.method == "POST":
        return redirect(f"{_address(meeting_id, 'ballot')}?{request.GET.urlencode()}")
    agenda = read_agenda(meeting_id)
    language = request.GET.get("language", "")
    with translation.override(
        language if language in dict(settings.LANGUAGES) else translation.get_language()
    ):
        return HttpResponse(_drawn(request, agenda, page))


@require_safe
def show_paper(request: HttpRequest, meeting_id: int, number: int) -> FileResponse:
    """A paper of the meeting, which holders cannot open before they have links."""
    require_role(request, *AT_MEETINGS)
    found = get_object_or_404(Document, pk=number, meeting_id=meeting_id)
    content = io.BytesIO(bytes(found.content))
    return FileResponse(content, as_attachment=True, filename=f"{found.title}.pdf")


def _drawn(request: HttpRequest, agenda: Agenda, page: str) -> str:
    words = page_context(request)
    if request.GET.get("type"):
        words["is_large"] = request.GET["type"] == "large"
    entitlement = specimen_of(agenda, is_nominee=request.GET.get("holder") == "nominee")
    share_class = entitlement.next_class(agenda)
    context: dict[str, Any] = {
        **words,
        "agenda": agenda,
        "page": page,
        "home": request.get_full_path(),
        "voter": voter_of(entitlement, now=timezone.now()),
        "looks": _looks(request, agenda.meeting_id, page),
        "back": reverse("admin:meetings_meeting_change", args=[agenda.meeting_id]),
    }
    if page in ("landing", "done") or share_class is None:
        context |= {
            "template": "ballots/landing.html",
            "stage": str(Stage.OPEN),
            "left": time_left(agenda.polls_close_at, agenda.polls_open_at),  # as they open
            "name": entitlement.holder.name_masked,
            "phone": entitlement.holder.phone_masked,
            "has_phone": True,
            "classes": [
                (c, separated(entitlement.holder.shares_of(c.number))) for c in agenda.share_classes
            ],
            "can_vote": share_class is not None,
        }
        context["card"] = render_to_string("ballots/holder_card.html", context)
    else:
        paper = Paper(
            entitlement=entitlement,
            agenda=agenda,
            share_class=share_class,
            data=request.POST.dict(),
        )
        paper, template = _turned(request, paper, page)
        context |= {"paper": paper, "template": template}
    html = render_to_string("admin/ballots/specimen.html", context, request=request)
    return _led_back(html, request, agenda.meeting_id)


def _turned(request: HttpRequest, paper: Paper, page: str) -> tuple[Paper, str]:
    """The paper after the button that was pressed, and the template that shows it."""
    asked = request.POST
    if page == "review" and request.method == "POST" and "prefer" not in asked:
        try:
            paper.choices()
        except BadBallot as refusal:
            return paper.refused(refusal), "ballots/ballot.html"
        return paper, "ballots/review.html"
    if (opinion := asked.get("fill")) in Opinion.values:
        paper = paper.filled(Opinion(opinion))
    elif number := asked.get("spread"):
        paper = paper.spread(number)
    elif number := asked.get("count"):
        paper = paper.counted(number)
    return paper, "ballots/ballot.html"


def _looks(request: HttpRequest, meeting_id: int, page: str) -> list[tuple[Any, str, bool]]:
    """The other ways to look at a page: label, address, whether it is this one."""
    chosen = request.GET
    ways = [
        (_("首页"), "landing", {}),
        (_("表决票"), "ballot", {}),
        (_("名义持有人的表决票"), "ballot", {"holder": "nominee"}),
    ]
    kept = {name: chosen[name] for name in ("language", "type") if name in chosen}
    found: list[tuple[Any, str, bool]] = [
        (
            label,
            _address(meeting_id, to, **kept, **query),
            page == to and chosen.get("holder", "") == query.get("holder", ""),
        )
        for label, to, query in ways
    ]
    here = {name: chosen[name] for name in CHOICES if name in chosen}
    for label, change in (
        ("中文", {"language": "zh-hans"}),
        ("English", {"language": "en"}),
        (_("标准版"), {"type": "normal"}),
        (_("大字版"), {"type": "large"}),
    ):
        is_this = all(chosen.get(name) == value for name, value in change.items())
        found.append((label, _address(meeting_id, page, **{**here, **change}), is_this))
    return found


def _led_back(html: str, request: HttpRequest, meeting_id: int) -> str:
    """The page with the addresses of a voter's pages led to the specimen's."""
    kept = {name: request.GET[name] for name in CHOICES if name in request.GET}
    for name, page in LEADS_AWAY.items():
        to = _address(meeting_id, page, **kept).replace("&", "&amp;")
        html = html.replace(f'"{reverse(name, args=[meeting_id])}', f'"{to}')
    papers, to = (
        reverse(name, args=[meeting_id, 0]).removesuffix("0")
        for name in ("ballots:document", "admin:ballots-paper")
    )
    return html.replace(f'"{papers}', f'"{to}')


def _address(meeting_id: int, page: str, **query: str) -> str:
    return reverse("admin:ballots-specimen", args=[meeting_id, page], query=query or None)


LINKS.append(Link(_("手机页面预览"), tuple(Meeting.State), "admin:ballots-preview", role=None))
