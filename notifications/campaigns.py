"""The life of a campaign (发送批次): planned by one person, approved by another, then sent.

    PLANNING -> DRAFT -> APPROVED -> RUNNING <-> PAUSED -> DONE          aside: CANCELLED
                                        ^-------------------'  when a later step of the plan is due

Planning freezes the audience: one delivery a holder, in batches of 500 that workers claim once the
campaign runs (dispatching.py), so what is approved is what is sent. A long register is planned part
by part in the background, each part a transaction that also says how far it came. A verb locks the
campaign, so no step is taken twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.keys import KeyDestroyed
from meetings.models import Meeting
from notifications import hours, planning, preview, recalling, routing
from notifications.deliveries import change_deliveries, forget_deliveries
from notifications.models import Campaign, Delivery
from notifications.sendable import (
    SENDABLE,
    CannotRoute,
    CannotSend,
    CannotWord,
    NobodyToTell,
    OutsideHours,
    SamePerson,
    StartPassed,
    WrongMeetingState,
    WrongState,
    check_sendable,
)
from voting_portal.common import locks

__all__ = [
    "SENDABLE",
    "CannotRoute",
    "CannotSend",
    "CannotWord",
    "OutsideHours",
    "WrongMeetingState",
    "WrongState",
    "check_sendable",
]

SYSTEM = "system:sender"
PLANNED_AT_ONCE = 100_000  # holders of the register: some seconds
Kind = Campaign.Kind
State = Campaign.State


class NothingToRetry(CannotSend):
    message = _("没有可以重发的记录。")


@transaction.atomic
def plan_campaign(
    meeting_id: int,
    *,
    plan: routing.Plan,
    wording: str = "",
    code_wording: str = "",
    kind: str = Kind.NOTICE,
    send_from: time = time(9),
    send_until: time = time(20, 30),
    start_at: datetime | None = None,
    alarm_percent: int = 20,
    by: str,
    now: datetime,
) -> Campaign:
    """A draft with its audience frozen, its preview worked out and the meeting's next number.

    Of a register longer than PLANNED_AT_ONCE only the campaign, in state PLANNING: `plan_waiting`
    freezes its audience. `plan` is as routing.py says; `wording` is for its gateways that carry
    personal links, `code_wording` for those that carry vote codes. Any CannotSend leaves nothing
    behind.
    """
    # Two who plan at once get their numbers, and their audiences, one after the other.
    meetings = Meeting.objects.select_for_update(of=["self"]).select_related("issuer")
    meeting = meetings.get(pk=meeting_id)
    last = Campaign.objects.filter(meeting=meeting).aggregate(last=Max("number"))["last"]
    campaign = Campaign(
        meeting=meeting,
        number=0 if last is None else last + 1,
        kind=kind,
        plan=plan,
        wording=wording,
        code_wording=code_wording,
        send_from=send_from,
        send_until=send_until,
        start_at=start_at,
        alarm_percent=alarm_percent,
        created_by=by,
        state=State.PLANNING,
        planning_since=now,
    )
    check_sendable(campaign, is_new=True)
    if start_at is not None and start_at <= now:
        raise StartPassed
    campaign.save()
    if planning.last_holder(meeting_id) <= PLANNED_AT_ONCE:
        planning.plan_deliveries(campaign, now=now)
        _finish_planning(campaign, now=now)
    return campaign


def plan_waiting(*, now: datetime) -> bool:
    """Freeze the next part of every audience that is being frozen; whether more is to be done.

    What one process is at, another passes over. A campaign that cannot be sent after all is
    cancelled with the reason on its page, since nobody waits for an answer any more.
    """
    waiting = Campaign.objects.filter(state=State.PLANNING).order_by("id")
    more = False
    for campaign_id in waiting.values_list("id", flat=True):
        try:
            more |= _go_on_planning(campaign_id, now=now)
        except CannotSend as refusal:
            _abandon(campaign_id, str(refusal), now=now)
        except KeyDestroyed:
            _abandon(campaign_id, _("会议的密钥已销毁，无法读取手机号码。"), now=now)
    return more


@transaction.atomic
def _go_on_planning(campaign_id: int, *, now: datetime) -> bool:
    """One part of one campaign; False when it was the last, or another process is at it."""
    mine = Campaign.objects.select_for_update(of=["self"], skip_locked=True)
    campaign = mine.filter(pk=campaign_id, state=State.PLANNING).first()
    if campaign is None:
        return False
    # Two campaigns of a meeting take turns, so that neither tells whom the other has just taken.
    meetings = Meeting.objects.select_for_update(of=["self"]).select_related("issuer")
    campaign.meeting = meetings.get(pk=campaign.meeting_id)
    check_sendable(campaign)
    if planning.plan_part(campaign, now=now):
        planning.get_ready(campaign)
        _finish_planning(campaign, now=now)
        return False
    campaign.save(update_fields=["planned", "looked_at"])
    return True


def _finish_planning(campaign: Campaign, *, now: datetime) -> None:
    """Its audience is frozen: NobodyToTell when that is empty."""
    if not campaign.planned:
        raise NobodyToTell
    campaign.preview = preview.work_out(campaign)
    campaign.state = State.DRAFT
    campaign.save(update_fields=["planned", "looked_at", "preview", "state"])
    kind = campaign.kind
    _note(campaign, "planned", by=campaign.created_by, now=now, planned=campaign.planned, kind=kind)


@transaction.atomic
def _abandon(campaign_id: int, reason: Any, *, now: datetime) -> None:
    """Take back what was planned of a campaign that cannot be planned to its end."""
    campaign = _take(campaign_id, since=[State.PLANNING])
    forget_deliveries(campaign)
    campaign.state, campaign.done_at, campaign.planned = State.CANCELLED, now, 0
    campaign.pause_reason = str(reason)[:200]
    campaign.save(update_fields=["state", "done_at", "planned", "pause_reason"])
    _note(campaign, "plan_refused", by=SYSTEM, now=now, reason=campaign.pause_reason)


@transaction.atomic
def approve_campaign(campaign_id: int, *, by: str, now: datetime) -> Campaign:
    """A second person has read wording and figures (复核)."""
    campaign = _take(campaign_id, since=[State.DRAFT])
    campaign.state, campaign.approved_by = State.APPROVED, by
    try:
        # The constraint campaign_second_person, not this code, tells one person from two.
        with transaction.atomic():
            campaign.save(update_fields=["state", "approved_by"])
    except IntegrityError as error:
        if "campaign_second_person" not in str(error):
            raise
        raise SamePerson from None
    _note(campaign, "approved", by=by, now=now)
    return campaign


@transaction.atomic
def start_campaign(campaign_id: int, *, by: str, now: datetime) -> Campaign:
    """Let the workers begin; inside the hours they do."""
    campaign = _take(campaign_id, since=[State.APPROVED])
    check_sendable(campaign)
    campaign.state, campaign.started_at = State.RUNNING, now
    campaign.save(update_fields=["state", "started_at"])
    _note(campaign, "started", by=by, now=now, planned=campaign.planned)
    return campaign


def start_due(*, now: datetime) -> int:
    """Start the approved campaigns whose hour has come; return how many.

    One that cannot be started says why on its page, and waits for a person.
    """
    due = Campaign.objects.filter(state=State.APPROVED, start_at__lte=now)
    started = 0
    for campaign_id in due.order_by("start_at", "id").values_list("id", flat=True):
        try:
            start_campaign(campaign_id, by=SYSTEM, now=now)
            started += 1
        except WrongState:
            pass  # somebody was quicker
        except CannotSend as refusal:
            _leave_to_a_person(campaign_id, str(refusal), now=now)
    return started


@transaction.atomic
def pause_campaign(campaign_id: int, *, by: str, now: datetime, reason: str = "") -> Campaign:
    """Stop within one sub-batch of each worker; what was handed over stays handed over."""
    campaign = _take(campaign_id, since=[State.RUNNING])
    campaign.state, campaign.pause_reason = State.PAUSED, reason[:200]
    campaign.save(update_fields=["state", "pause_reason"])
    _note(campaign, "paused", by=by, now=now, reason=campaign.pause_reason)
    return campaign


@transaction.atomic
def resume_campaign(campaign_id: int, *, by: str, now: datetime) -> Campaign:
    """Go on with what is still queued; nobody gets the message a second time."""
    campaign = _take(campaign_id, since=[State.PAUSED])
    check_sendable(campaign)
    campaign.state, campaign.pause_reason = State.RUNNING, ""
    campaign.save(update_fields=["state", "pause_reason"])
    _note(campaign, "resumed", by=by, now=now)
    return campaign


@transaction.atomic
def continue_campaign(campaign_id: int, *, now: datetime) -> Campaign:
    """It was done, and a later step of its plan has come due (next_steps.py)."""
    campaign = _take(campaign_id, since=[State.DONE])
    campaign.state, campaign.done_at = State.RUNNING, None
    campaign.save(update_fields=["state", "done_at"])
    _note(campaign, "continued", by=SYSTEM, now=now)
    return campaign


@transaction.atomic
def cancel_campaign(campaign_id: int, *, by: str, now: datetime) -> Campaign:
    """Send no more of it, ever. What left is called back where its gateway can (recalling.py).

    Of one that was never started nothing stays but its own row.
    """
    before = (State.PLANNING, State.DRAFT, State.APPROVED)
    campaign = _take(campaign_id, since=[*before, State.RUNNING, State.PAUSED])
    campaign.state, campaign.done_at = State.CANCELLED, now
    campaign.save(update_fields=["state", "done_at"])
    if campaign.started_at is None:
        withheld, to_recall = forget_deliveries(campaign), 0
    else:
        to_recall = recalling.begin_recall(campaign)
        withheld = change_deliveries(
            campaign,
            since=Delivery.State.QUEUED,
            to=Delivery.State.SKIPPED,
            why="cancelled",
            at=now,
        )
        campaign.batches.filter(state="READY").update(state="DONE")
    _note(campaign, "cancelled", by=by, now=now, withheld=withheld, recall=bool(to_recall))
    return campaign


def retry_failed(campaign_id: int, *, by: str, now: datetime) -> int:
    """Send again what certainly did not arrive but may the next time; return how many.

    A number that does not exist, or refuses, is not tried again. NothingToRetry when there is none.
    """
    return _send_again(campaign_id, Delivery.State.UNREACHED, "retried", by=by, now=now)


def release_unknown(campaign_id: int, *, by: str, now: datetime) -> int:
    """Send again what was handed over and never answered; return how many.

    Some of these holders then get the message twice: only a person who knows that may say so.
    """
    return _send_again(campaign_id, Delivery.State.UNKNOWN, "released", by=by, now=now)


def awake(*, now: datetime) -> list[int]:
    """The running campaigns that are inside their hours."""
    running = Campaign.objects.filter(state=State.RUNNING).select_related("meeting")
    return [campaign.pk for campaign in running if hours.may_send(campaign, now)]


@transaction.atomic
def finish_campaigns(*, now: datetime) -> None:
    """Running campaigns of which no batch is left are done; receipts may still come."""
    finished = (
        Campaign.objects.select_for_update(of=["self"], skip_locked=True)
        .filter(state=State.RUNNING)
        .exclude(batches__state__in=["READY", "LEASED"])
        .order_by("meeting_id", "number")
    )
    for campaign in finished:
        campaign.state, campaign.done_at = State.DONE, now
        campaign.save(update_fields=["state", "done_at"])
        _note(campaign, "done", by=SYSTEM, now=now)


def _take(campaign_id: int, *, since: Sequence[Campaign.State]) -> Campaign:
    """The campaign if it is in one of these states, with no other step and no sub-batch under way.

    The lock waits its turn among the workers' (dispatching.py), so a busy campaign can be paused.
    """
    locks.hold(locks.CAMPAIGN, campaign_id)
    campaign = (
        Campaign.objects.select_for_update(of=["self"])
        .select_related("meeting__issuer")
        .get(pk=campaign_id)
    )
    if campaign.state not in since:
        raise WrongState(campaign)
    return campaign


@transaction.atomic
def _leave_to_a_person(campaign_id: int, reason: str, *, now: datetime) -> None:
    """A campaign whose hour came and that could not start."""
    campaign = _take(campaign_id, since=[State.APPROVED])
    campaign.start_at, campaign.pause_reason = None, reason[:200]
    campaign.save(update_fields=["start_at", "pause_reason"])
    _note(campaign, "start_refused", by=SYSTEM, now=now, reason=campaign.pause_reason)


@transaction.atomic
def _send_again(
    campaign_id: int, since: Delivery.State, verb: str, *, by: str, now: datetime
) -> int:
    campaign = _take(campaign_id, since=[State.RUNNING, State.PAUSED, State.DONE])
    check_sendable(campaign)
    number = change_deliveries(campaign, since=since, to=Delivery.State.QUEUED, why="", at=now)
    if not number:
        raise NothingToRetry
    if campaign.state == State.DONE:
        campaign.state, campaign.done_at = State.RUNNING, None
        campaign.save(update_fields=["state", "done_at"])
    _note(campaign, verb, by=by, now=now)  # how many would tell of a reminder who had voted
    return number


def _note(campaign: Campaign, verb: str, *, by: str, now: datetime, **details: Any) -> None:
    journal.record(
        campaign.meeting_id,
        f"campaign.{verb}",
        by=by,
        at=now,
        campaign=campaign.number,
        **details,
    )
