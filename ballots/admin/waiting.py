"""What ballots put on somebody's desk: tallies to open, and those that are being counted."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ballots.models import TallyRequest
from meetings.admin.steps import WORK
from meetings.models import Meeting
from voting_portal.common.roles import Role
from voting_portal.desk import MOST_OF_A_SOURCE, UNDER_WAY, WAITING, UnderWay, Waiting


def tallies_to_open() -> Iterator[Waiting]:
    asked = TallyRequest.objects.to_open()
    for request in asked.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        yield Waiting(
            Role.SCRUTINEER,
            _("启封计票"),
            str(request.meeting),
            reverse("admin:meetings_meeting_change", args=[request.meeting_id]),
            request.asked_by,
            request.asked_at,
        )


def tallies_under_way() -> Iterator[UnderWay]:
    opened = TallyRequest.objects.being_opened().select_related("meeting__issuer")
    yield from map(_under_way, opened.order_by("opened_at", "id")[:MOST_OF_A_SOURCE])


def tally_of(meeting: Meeting) -> UnderWay | None:
    opened = TallyRequest.objects.being_opened().select_related("meeting__issuer")
    request = opened.filter(meeting=meeting).first()
    return _under_way(request) if request else None


def _under_way(request: TallyRequest) -> UnderWay:
    return UnderWay(
        _("启封计票"),
        str(request.meeting),
        reverse("admin:meetings_meeting_change", args=[request.meeting_id]),
        request.stage,
        TallyRequest.Stage(request.stage).label,
    )


WAITING.append(tallies_to_open)
UNDER_WAY.append(tallies_under_way)
WORK.append(tally_of)
