"""Whether a campaign may be sent (能否发送): its meeting, plan, hours and wordings allow it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from notifications import hours, routing, wording
from notifications.models import Campaign
from notifications.wording import LinkMode
from voting_portal.common.refusals import Refusal

Kind = Campaign.Kind
# When a campaign of a kind has something to say: a notice calls to a vote that is still to come or
# under way; a correction may also say that there will be none.
SENDABLE = {
    Kind.NOTICE: (Meeting.State.INVITED, Meeting.State.OPEN),
    Kind.REMINDER: (Meeting.State.INVITED, Meeting.State.OPEN),
    Kind.CORRECTION: (
        *(Meeting.State.INVITED, Meeting.State.OPEN),
        *(Meeting.State.POSTPONED, Meeting.State.CANCELLED),
    ),
    Kind.RESULT: (Meeting.State.PUBLISHED,),
}


class CannotSend(Refusal):
    """The campaign stays as it is; `message` says why."""


class WrongState(CannotSend):
    def __init__(self, campaign: Campaign) -> None:
        words = {"state": campaign.get_state_display()}
        super().__init__(_("发送批次处于“%(state)s”，不能执行这一步。") % words)


class SamePerson(CannotSend):
    message = _("发送须由创建人以外的工作人员复核。")


class WrongMeetingState(CannotSend):
    def __init__(self, kind: str, state: str) -> None:
        words = {"state": Meeting.State(state).label, "kind": Kind(kind).label}
        super().__init__(_("会议处于“%(state)s”，不能发送%(kind)s。") % words)


class NobodyToTell(CannotSend):
    message = _("没有可以发送的股东：都没有手机号码、已退订，或者已经收到过同类通知。")


class StartPassed(CannotSend):
    message = _("定时开始的时间已经过去。")


class CannotWord(CannotSend):
    """The wording for a mode breaks a rule; the message is that of wording.BadWording."""

    def __init__(self, refusal: wording.BadWording, mode: LinkMode) -> None:
        super().__init__(refusal.message)
        self.mode = mode


class CannotRoute(CannotSend):
    """The channel plan cannot be taken; the message is that of routing.BadPlan."""


class OutsideHours(CannotSend):
    message = hours.BadHours.message


def check_sendable(campaign: Campaign, *, is_new: bool = False) -> None:
    """CannotSend when its meeting, plan, hours or wordings do not allow the campaign (any more).

    Of a new one every gateway has to work; one that was planned goes on with those that do.
    """
    if campaign.meeting.state not in SENDABLE[Kind(campaign.kind)]:
        raise WrongMeetingState(campaign.kind, campaign.meeting.state)
    try:
        if is_new or not routing.is_followable(campaign.plan):
            routing.check_plan(campaign.plan)
        hours.check_hours(campaign.send_from, campaign.send_until)
    except routing.BadPlan as refusal:
        raise CannotRoute(refusal.message) from None
    except hours.BadHours:
        raise OutsideHours from None
    for mode in modes_of(campaign.plan):
        try:
            wording.compose_for(campaign, mode)
        except wording.BadWording as refusal:
            raise CannotWord(refusal, mode) from None


def modes_of(plan: routing.Plan) -> set[LinkMode]:
    """How messages of the plan lead to the vote, for each of which there must be a wording."""
    return {wording.mode_of(way["gateway"]) for step in plan for way in step}
