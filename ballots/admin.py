"""What the ballots add to the admin: the step that takes the tally."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from ballots.opening import ask_for_tally, open_tally
from meetings.admin.steps import STEPS, Step
from meetings.models import Meeting


def _ask(meeting: int, by: str, now: datetime) -> object:
    return ask_for_tally(meeting, by=by, now=now)


def _open(meeting: int, by: str, now: datetime) -> object:
    return open_tally(meeting, by=by, now=now)


STEPS[4:4] = [
    Step("ask-tally", _("申请计票"), (Meeting.State.CLOSED,), _ask),
    Step("open-tally", _("启封计票(须另一人)"), (Meeting.State.CLOSED,), _open),
]
