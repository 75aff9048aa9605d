"""What ballots put on somebody's desk: tallies that were asked for and are to be opened."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ballots.models import TallyRequest
from meetings.models import Meeting
from voting_portal.common.roles import Role
from voting_portal.desk import MOST_OF_A_SOURCE, WAITING, Waiting


def tallies_to_open() -> Iterator[Waiting]:
    asked = TallyRequest.objects.filter(meeting__state=Meeting.State.CLOSED)
    for request in asked.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        yield Waiting(
            Role.SCRUTINEER,
            _("启封计票"),
            str(request.meeting),
            reverse("admin:meetings_meeting_change", args=[request.meeting_id]),
            request.asked_by,
            request.asked_at,
        )


WAITING.append(tallies_to_open)
