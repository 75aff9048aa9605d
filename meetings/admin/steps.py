"""The next step of a meeting as a button: what may be done in which state, and by which verb.

Apps above this one add theirs, e.g. the tally, and links to pages of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from meetings import lifecycle
from meetings.models import Meeting
from meetings.preparing import confirm_insiders
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role
from voting_portal.desk import UnderWay

if TYPE_CHECKING:
    from datetime import datetime

    from django_stubs_ext import StrOrPromise

State = Meeting.State


@dataclass(frozen=True)
class Step:
    """A button of one role: shown while the meeting is in one of `states`, done by its verb.

    The verb takes the meeting's id, who and when. Of the buttons that are due, the first is shown
    as what comes next.
    """

    name: str
    label: StrOrPromise
    states: tuple[Meeting.State, ...]
    verb: Callable[[int, str, datetime], object]
    role: Role = Role.OPERATOR
    is_for_rehearsals_only: bool = False
    is_grave: bool = False
    is_long: bool = False  # only begun by the button; WORK says how far it came
    is_due: Callable[[Meeting], bool] = lambda _meeting: True


@dataclass(frozen=True)
class Link:
    """A way to a page about the meeting, shown while it is in one of `states`."""

    label: StrOrPromise
    states: tuple[Meeting.State, ...]
    page: str  # name of its address, which takes the meeting
    role: Role | None = Role.OPERATOR  # None: everybody who works at meetings


def _never(_meeting: Meeting) -> bool:
    return False


def _is_over(meeting: Meeting) -> bool:
    return timezone.now() > meeting.polls_close_at


def _ignoring_now(verb: Callable[..., object]) -> Callable[[int, str, datetime], object]:
    """The polls go by the database's clock and take no time from the browser's request."""
    return lambda meeting, by, _now: verb(meeting, by=by)


def _verb(verb: Callable[..., object]) -> Callable[[int, str, datetime], object]:
    return lambda meeting, by, now: verb(meeting, by=by, now=now)


STEPS: list[Step] = [
    Step(
        "confirm-motions",
        _("确认议案"),
        (State.REGISTER_LOADED,),
        _verb(lifecycle.confirm_motions),
    ),
    Step(
        "invite",
        _("开放投票链接"),
        (State.MOTIONS_CONFIRMED,),
        _verb(lifecycle.invite),
        role=Role.APPROVER,
    ),
    Step(
        "close-polls",
        _("封存票箱"),
        (State.INVITED, State.OPEN),
        _ignoring_now(lifecycle.close_polls),
        is_due=_is_over,
    ),
    Step(
        "close-early",
        _("提前截止（演练）"),
        (State.INVITED, State.OPEN),
        _ignoring_now(lifecycle.close_rehearsal_early),
        is_for_rehearsals_only=True,
        is_due=_never,
    ),
    Step(
        "confirm-insiders",
        _("确认董监高和一致行动人名单"),
        (State.MOTIONS_CONFIRMED, State.INVITED, State.OPEN, State.CLOSED),
        _verb(confirm_insiders),
        is_due=_never,
    ),
    Step("certify", _("确认结果"), (State.TALLIED,), _verb(lifecycle.certify)),
    Step(
        "publish",
        _("公布结果"),
        (State.CERTIFIED,),
        _verb(lifecycle.publish),
        role=Role.APPROVER,
        is_due=lambda meeting: not meeting.is_rehearsal,
    ),
    Step(
        "postpone",
        _("延期"),
        (*lifecycle.BEFORE_INVITATION, State.INVITED),
        _verb(lifecycle.postpone),
        is_grave=True,
        is_due=_never,
    ),
    Step(
        "cancel",
        _("取消会议"),
        (*lifecycle.BEFORE_INVITATION, State.INVITED, State.POSTPONED),
        _verb(lifecycle.cancel),
        is_grave=True,
        is_due=_never,
    ),
]


LINKS: list[Link] = []
# Long work on a meeting, which its page shows in the place of the buttons until it is done.
WORK: list[Callable[[Meeting], UnderWay | None]] = []


def links_of(meeting: Meeting) -> list[Link]:
    """Ways to pages of the meeting; each page looks at the role of who opens it."""
    return [link for link in LINKS if meeting.state in link.states]


def steps_of(meeting: Meeting) -> list[Step]:
    """The buttons of the meeting, whoever may press them."""
    return [
        step
        for step in STEPS
        if meeting.state in step.states
        and (meeting.is_rehearsal or not step.is_for_rehearsals_only)
    ]


def work_on(meeting: Meeting) -> UnderWay | None:
    """What is being done to the meeting in the background, if anything is."""
    return next(filter(None, (source(meeting) for source in WORK)), None)


def next_of(meeting: Meeting) -> Step | None:
    """The button of what comes next, if a person is to press one."""
    return next((step for step in steps_of(meeting) if step.is_due(meeting)), None)


@require_POST
def take_step(request: HttpRequest, meeting_id: int, name: str) -> HttpResponse:
    """Do what a button says, or say why it cannot be done."""
    meeting = Meeting.objects.filter(pk=meeting_id).first()
    step = next((s for s in STEPS if s.name == name), None)
    if meeting is None or step is None:
        raise Http404
    require_role(request, step.role)
    try:
        step.verb(meeting_id, actor_of(request), timezone.now())
    except lifecycle.CannotAdvance as refusal:
        messages.error(request, str(refusal))
    else:
        words = _("已开始：%(step)s。") if step.is_long else _("已完成：%(step)s。")
        messages.success(request, words % {"step": step.label})
    return redirect("admin:meetings_meeting_change", meeting_id)
