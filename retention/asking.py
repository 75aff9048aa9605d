"""Who may let the personal data of a meeting be deleted, and who may put that off.

At the end of the period nobody needs to be asked: two people confirmed it with the motions. Before
it one person asks and another approves. A hold stops both, from the moment it is placed.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.models import Meeting
from retention import periods
from retention.models import TIMER, Hold, Purge
from voting_portal.common.refusals import Refusal


class CannotPurge(Refusal):
    """Nothing is changed; `message` says why."""


class NotOver(CannotPurge):
    message = _("会议尚未结束：结果公布、取消或延期之后才能删除个人信息。")


class OnHold(CannotPurge):
    message = _("该会议暂缓删除，请先由另一位工作人员解除。")


class NotAsked(CannotPurge):
    message = _("还没有人申请删除。")


class AlreadyAsked(CannotPurge):
    message = _("已经申请过。")


class AlreadyGone(CannotPurge):
    message = _("个人信息已经删除。")


class SamePerson(CannotPurge):
    message = _("这一步须由另一位工作人员复核。")


class NoReason(CannotPurge):
    message = _("请写明原因。")


class NoHold(CannotPurge):
    message = _("该会议没有暂缓删除。")


def ask_due(*, now: datetime) -> int:
    """Ask, in the timer's name, for every meeting whose period is over; how many were new.

    A request that was waiting for its approval needs none any more.
    """
    return sum(_ask_due(period.meeting_id, now=now) for period in periods.due(now=now))


@transaction.atomic
def _ask_due(meeting_id: int, *, now: datetime) -> bool:
    meeting = _locked(meeting_id)
    purge = Purge.objects.filter(meeting=meeting).first()
    if purge is not None and purge.may_begin:
        return False
    values = {"cause": Purge.Cause.DUE, "asked_by": TIMER, "asked_at": now}
    Purge.objects.update_or_create(meeting=meeting, defaults=values)
    journal.record(meeting, "purge.due", by=TIMER, at=now, retention_days=meeting.retention_days)
    return True


@transaction.atomic
def ask_early(meeting_id: int, *, by: str, now: datetime) -> Purge:
    """Ask that a meeting's personal data go before its period is over; another must approve.

    NotOver, OnHold, AlreadyAsked, AlreadyGone.
    """
    meeting = _locked(meeting_id)
    _check(meeting)
    values = {"cause": Purge.Cause.EARLY, "asked_by": by, "asked_at": now}
    purge, is_new = Purge.objects.get_or_create(meeting=meeting, defaults=values)
    if not is_new:
        raise AlreadyAsked
    journal.record(meeting, "purge.asked", by=by, at=now)
    return purge


@transaction.atomic
def approve(meeting_id: int, *, by: str, now: datetime) -> Purge:
    """Approve what another asked for; the timer carries it out.

    NotAsked, SamePerson, OnHold, AlreadyGone.
    """
    meeting = _locked(meeting_id)
    _check(meeting)
    purge = Purge.objects.filter(meeting=meeting, approved_by="").first()
    if purge is None:
        raise NotAsked
    purge.approved_by, purge.approved_at = by, now
    try:
        with transaction.atomic():
            purge.save(update_fields=["approved_by", "approved_at"])
    except IntegrityError as error:
        if "purge_second_person" not in str(error):
            raise
        raise SamePerson from None
    journal.record(meeting, "purge.approved", by=by, at=now)
    return purge


@transaction.atomic
def place_hold(meeting_id: int, *, reason: str, by: str, now: datetime) -> Hold:
    """Keep a meeting's personal data until the hold is lifted; it holds at once.

    NoReason, AlreadyGone, AlreadyAsked while one is in force.
    """
    reason = reason.strip()
    if not reason:
        raise NoReason
    meeting = _locked(meeting_id)
    if meeting.purged_at is not None:
        raise AlreadyGone
    if is_held(meeting_id):
        raise AlreadyAsked
    hold = Hold.objects.create(meeting=meeting, reason=reason, placed_by=by, placed_at=now)
    journal.record(meeting, "hold.placed", by=by, at=now, reason=reason)
    return hold


@transaction.atomic
def lift_hold(meeting_id: int, *, by: str, now: datetime) -> None:
    """End the hold on a meeting; NoHold, SamePerson for whoever placed it."""
    meeting = _locked(meeting_id)
    try:
        with transaction.atomic():
            in_force = Hold.objects.filter(meeting=meeting, lifted_at=None)
            lifted = in_force.update(lifted_by=by, lifted_at=now)
    except IntegrityError as error:
        if "hold_lifted_by_second_person" not in str(error):
            raise
        raise SamePerson from None
    if not lifted:
        raise NoHold
    journal.record(meeting, "hold.lifted", by=by, at=now)


def is_held(meeting_id: int) -> bool:
    """Whether a hold is in force."""
    return Hold.objects.filter(meeting=meeting_id, lifted_at=None).exists()


def _check(meeting: Meeting) -> None:
    if meeting.purged_at is not None:
        raise AlreadyGone
    period = periods.period_of(meeting.pk)
    if period is None or period.ended_at is None:
        raise NotOver
    if is_held(meeting.pk):
        raise OnHold


def _locked(meeting_id: int) -> Meeting:
    """The meeting, whose row decides between a hold and a purge that race."""
    return Meeting.objects.select_for_update().get(pk=meeting_id)
