"""The life of a campaign (发送批次): planned by one person, approved by another, then sent.

    DRAFT -> APPROVED -> RUNNING <-> PAUSED -> DONE          aside: CANCELLED
                            ^-------------------'  when a later step of the plan is due

Starting freezes the audience: one delivery a holder, in batches of 500 that workers claim
(planning.py, dispatching.py). A verb locks the campaign, so no step is taken twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.models import Meeting
from notifications import routing, wording
from notifications.models import Campaign, Delivery
from notifications.planning import plan_deliveries
from voting_portal.common import locks
from voting_portal.common.refusals import Refusal

SYSTEM = "system:sender"
# A notice calls to a vote that is still to come or under way.
NOTIFIABLE = (Meeting.State.INVITED, Meeting.State.OPEN)

State = Campaign.State


class CannotSend(Refusal):
    """The campaign stays as it is; `message` says why."""


class WrongState(CannotSend):
    def __init__(self, campaign: Campaign) -> None:
        words = {"state": campaign.get_state_display()}
        super().__init__(_("发送批次处于“%(state)s”,不能执行这一步。") % words)


class SamePerson(CannotSend):
    message = _("发送须由创建人以外的工作人员复核。")


class MeetingNotInvited(CannotSend):
    message = _("会议尚未发出通知,或投票已经结束,不能发送。")


class NobodyToTell(CannotSend):
    message = _("名册中没有可以发送短信的股东。")


class CannotRoute(CannotSend):
    """The plan cannot be followed; the message is that of routing.BadPlan."""


class CannotWord(CannotSend):
    """The wording breaks a rule; the message is that of wording.BadWording."""


@transaction.atomic
def plan_campaign(
    meeting_id: int, *, wording: str, plan: routing.Plan, by: str, now: datetime
) -> Campaign:
    """A draft of a notice to the holders of a meeting, with the next number in the meeting."""
    # Two who plan at once get their numbers one after the other.
    meetings = Meeting.objects.select_for_update(of=["self"]).select_related("issuer")
    meeting = meetings.get(pk=meeting_id)
    _check_words_and_way(wording, meeting, plan)
    last = Campaign.objects.filter(meeting=meeting).aggregate(last=Max("number"))["last"]
    campaign = Campaign.objects.create(
        meeting=meeting,
        number=0 if last is None else last + 1,
        plan=plan,
        wording=wording,
        created_by=by,
    )
    _note(campaign, "planned", by=by, now=now)
    return campaign


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
    """Freeze the audience and let the workers begin."""
    campaign = _take(campaign_id, since=[State.APPROVED])
    check_sendable(campaign)
    campaign.planned = plan_deliveries(campaign, now=now)
    if not campaign.planned:
        raise NobodyToTell
    campaign.state, campaign.started_at = State.RUNNING, now
    campaign.save(update_fields=["state", "planned", "started_at"])
    _note(campaign, "started", by=by, now=now, planned=campaign.planned)
    return campaign


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
    """Send no more of it, ever. Messages that left are not called back."""
    campaign = _take(campaign_id, since=[State.DRAFT, State.APPROVED, State.RUNNING, State.PAUSED])
    campaign.state, campaign.done_at = State.CANCELLED, now
    campaign.save(update_fields=["state", "done_at"])
    withheld = (
        Delivery.objects.of_campaign(campaign)
        .filter(state=Delivery.State.QUEUED)
        .update(state=Delivery.State.SKIPPED, reason="cancelled", changed_at=now)
    )
    campaign.batches.filter(state="READY").update(state="DONE")
    _note(campaign, "cancelled", by=by, now=now, withheld=withheld)
    return campaign


def check_sendable(campaign: Campaign) -> None:
    """CannotSend when the meeting takes no votes, or wording or plan have become wrong."""
    if campaign.meeting.state not in NOTIFIABLE:
        raise MeetingNotInvited
    _check_words_and_way(campaign.wording, campaign.meeting, campaign.plan)


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


def _check_words_and_way(text: str, meeting: Meeting, plan: routing.Plan) -> None:
    try:
        wording.compose(text, meeting)
        routing.check_plan(plan)
    except wording.BadWording as refusal:
        raise CannotWord(refusal.message) from None
    except routing.BadPlan as refusal:
        raise CannotRoute(refusal.message) from None


def _note(campaign: Campaign, verb: str, *, by: str, now: datetime, **details: Any) -> None:
    journal.record(
        campaign.meeting_id,
        f"campaign.{verb}",
        by=by,
        at=now,
        campaign=campaign.number,
        **details,
    )
