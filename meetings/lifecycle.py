"""The life of a meeting: one verb a step, each checking what must be true before it.

    DRAFT -> REGISTER_LOADED -> MOTIONS_CONFIRMED -> INVITED -> OPEN -> CLOSED
          -> TALLIED -> CERTIFIED -> PUBLISHED          aside: POSTPONED, CANCELLED

To correct a result that is not public yet, ballots/opening.py goes back from TALLIED or CERTIFIED
to CLOSED.

The two steps of the polls follow the database's clock and are taken by a timer; the tally's own
step is ballots/results.py. A verb locks the meeting's row, so no step is taken twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal, polls
from meetings.calendar import read_calendar
from meetings.dates import faults_of_dates
from meetings.models import Meeting, Motion
from voting_portal.common.refusals import Refusal

BEIJING = ZoneInfo("Asia/Shanghai")

TIMER = "system:timer"
State = Meeting.State
BEFORE_INVITATION = (State.DRAFT, State.REGISTER_LOADED, State.MOTIONS_CONFIRMED)


class CannotAdvance(Refusal):
    """The meeting stays where it is; `message` says what is missing."""

    message = _("会议当前状态不允许这一步。")


class SamePerson(CannotAdvance):
    message = _("这一步须由另一位工作人员复核。")


@transaction.atomic
def advance(
    meeting_id: int, to: Meeting.State, *, since: Sequence[Meeting.State], by: str, now: datetime
) -> Meeting:
    """Move a meeting to a state from one of `since`; the verbs below say when that is right."""
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    if meeting.state not in since:
        raise CannotAdvance(
            _("会议处于“%(state)s”，不能执行这一步。") % {"state": meeting.get_state_display()}
        )
    journal.record(meeting, f"meeting.{to.lower()}", by=by, at=now, since=meeting.state)
    meeting.state = to
    meeting.revision += 1
    meeting.save(update_fields=["state", "revision"])
    return meeting


@transaction.atomic
def confirm_motions(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """Freeze the agenda (确认议案): it must be complete, the meeting's days and hours lawful."""
    meeting = advance(
        meeting_id, State.MOTIONS_CONFIRMED, since=[State.REGISTER_LOADED], by=by, now=now
    )
    if problems := [*problems_of_agenda(meeting), *_problems_of_dates(meeting)]:
        raise CannotAdvance(" ".join(problems))
    return _sign(meeting, "confirmed_by", by=by)


@transaction.atomic
def invite(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """Open the links (发出通知): from here on neither register nor agenda changes.

    SamePerson for whoever confirmed the motions.
    """
    meeting = advance(meeting_id, State.INVITED, since=[State.MOTIONS_CONFIRMED], by=by, now=now)
    return _sign(meeting, "invited_by", by=by)


def open_polls(meeting_id: int, *, by: str) -> Meeting:
    """Note that the polls have opened; ballots are judged by the clock, not by this step."""
    now = polls.database_time()
    meeting = Meeting.objects.get(pk=meeting_id)
    if now < meeting.polls_open_at:
        raise CannotAdvance(_("尚未到投票开始时间。"))
    return advance(meeting_id, State.OPEN, since=[State.INVITED], by=by, now=now)


@transaction.atomic
def close_polls(meeting_id: int, *, by: str) -> Meeting:
    """Seal the polls (投票截止) once their time is over; ballots under way are waited for."""
    meeting = Meeting.objects.get(pk=meeting_id)
    if polls.database_time() <= meeting.polls_close_at:
        raise CannotAdvance(_("尚未到投票截止时间。"))
    sealed_at = polls.seal(meeting)
    return advance(
        meeting_id, State.CLOSED, since=[State.INVITED, State.OPEN], by=by, now=sealed_at
    )


@transaction.atomic
def close_rehearsal_early(meeting_id: int, *, by: str) -> Meeting:
    """End the polls of a rehearsal (演练) now; a real meeting closes at its hour only."""
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    if not meeting.is_rehearsal:
        raise CannotAdvance(_("只有演练会议可以提前截止。"))
    if polls.database_time() <= meeting.polls_open_at:
        raise CannotAdvance(_("尚未到投票开始时间。"))
    sealed_at = polls.seal(meeting)
    meeting.polls_close_at = min(meeting.polls_close_at, sealed_at)
    meeting.save(update_fields=["polls_close_at"])
    return advance(
        meeting_id, State.CLOSED, since=[State.INVITED, State.OPEN], by=by, now=sealed_at
    )


def move_due_polls(*, now: datetime) -> None:
    """Open and close all polls whose time has come; called every few seconds.

    A meeting that another process moves at the same moment is left to it.
    """
    due = Meeting.objects.filter(state=State.INVITED, polls_open_at__lte=now).order_by("id")
    over = Meeting.objects.filter(
        state__in=[State.INVITED, State.OPEN], polls_close_at__lt=now
    ).order_by("id")
    for meeting in due.exclude(polls_close_at__lt=now):
        with contextlib.suppress(CannotAdvance):
            open_polls(meeting.pk, by=TIMER)
    for meeting in over:
        with contextlib.suppress(CannotAdvance):
            close_polls(meeting.pk, by=TIMER)


@transaction.atomic
def certify(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """The company and its lawyer have confirmed the tally (结果确认)."""
    meeting = advance(meeting_id, State.CERTIFIED, since=[State.TALLIED], by=by, now=now)
    return _sign(meeting, "certified_by", by=by)


@transaction.atomic
def publish(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """The result is public (公布); a rehearsal's never is. SamePerson for whoever certified it."""
    meeting = Meeting.objects.get(pk=meeting_id)
    if meeting.is_rehearsal:
        raise CannotAdvance(_("演练会议的结果不得公布。"))
    meeting = advance(meeting_id, State.PUBLISHED, since=[State.CERTIFIED], by=by, now=now)
    return _sign(meeting, "published_by", by=by)


def postpone(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """Put the meeting off (延期) before its polls open; the record date stays (domain rule)."""
    return advance(
        meeting_id, State.POSTPONED, since=[*BEFORE_INVITATION, State.INVITED], by=by, now=now
    )


def cancel(meeting_id: int, *, by: str, now: datetime) -> Meeting:
    """Call the meeting off (取消) before its polls open."""
    return advance(
        meeting_id,
        State.CANCELLED,
        since=[*BEFORE_INVITATION, State.INVITED, State.POSTPONED],
        by=by,
        now=now,
    )


def _sign(meeting: Meeting, step: str, *, by: str) -> Meeting:
    """Note who took a step; the constraints of the two persons, not this code, tell them apart."""
    setattr(meeting, step, by)
    try:
        with transaction.atomic():
            meeting.save(update_fields=[step])
    except IntegrityError as error:
        if "_by_second_person" not in str(error):
            raise
        raise SamePerson from None
    return meeting


def _problems_of_dates(meeting: Meeting) -> list[str]:
    faults = faults_of_dates(meeting, read_calendar())
    return [fault.message for fault in faults if fault.is_hard]


def problems_of_agenda(meeting: Meeting) -> list[str]:
    """What keeps the motions from being confirmed, one sentence each; empty when nothing does."""
    motions = list(meeting.motions.prefetch_related("candidates").order_by("group", "item"))
    problems = []
    if not any(motion.kind != Motion.Kind.HEADING for motion in motions):
        problems.append(str(_("还没有可表决的议案。")))
    classes = set(meeting.share_classes.values_list("code", flat=True))
    if not classes:
        problems.append(str(_("还没有股份类别。")))
    kinds = {(motion.group, motion.item): motion.kind for motion in motions}
    for motion in motions:
        words = {"number": motion.number}
        above = kinds.get((motion.group, 0))
        if motion.item and above not in (None, Motion.Kind.HEADING):
            problems.append(str(_("议案%(number)s的上一级须是逐项表决的总标题。") % words))
        if motion.kind == Motion.Kind.HEADING and not any(
            group == motion.group and item for group, item in kinds
        ):
            problems.append(str(_("总标题%(number)s之下没有逐项表决的议案。") % words))
        if motion.kind == Motion.Kind.CUMULATIVE and not motion.candidates.all():
            problems.append(str(_("议案%(number)s没有候选人。") % {"number": motion.number}))
        if unknown := set(motion.share_classes) - classes:
            words = {"number": motion.number, "classes": "、".join(sorted(unknown))}
            problems.append(str(_("议案%(number)s的股份类别%(classes)s不属于本次会议。") % words))
        problems.extend(_problems_of_rules(meeting, motion))
    return problems


def _problems_of_rules(meeting: Meeting, motion: Motion) -> Iterator[str]:
    words = {"number": motion.number}
    is_special = motion.threshold == Motion.Threshold.SPECIAL
    if (motion.has_dual_threshold or motion.has_class_threshold) and not is_special:
        yield str(_("议案%(number)s须分别三分之二同意，应为特别决议。") % words)
    if motion.is_dividend and meeting.closing_price is None:
        yield str(_("议案%(number)s要分段统计，请填写A股收盘价。") % words)
