"""What the ballots add to the admin: the step that takes the tally."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from ballots.results import tally_meeting
from meetings.admin.steps import STEPS, Step
from meetings.models import Meeting


def _tally(meeting: int, by: str, now: datetime) -> object:
    return tally_meeting(meeting, by=by, now=now)


STEPS.insert(4, Step("tally", _("计票"), (Meeting.State.CLOSED,), _tally))
