"""A trial (试发): a campaign's message to a phone of one's own, before anybody else gets it.

It is as long as a real one and its link and code lead nowhere: a holder's own go to that holder
alone. The number is not kept, not even masked.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from meetings import journal
from notifications import wording
from notifications.models import Campaign
from notifications.sendable import CannotSend, WrongState, check_sendable
from notifications.suppressions import plain_number
from voting_portal import gateways
from voting_portal.gateways import Result


class NotInPlan(CannotSend):
    message = _("这个通道不在发送方案中。")


def send_trial(campaign_id: int, *, gateway: str, phone: str, by: str, now: datetime) -> Result:
    """Send the message to `phone` at once by a gateway of the plan, and journal that it was tried.

    NoNumber for what is no mobile number; CannotSend once the campaign has begun, and for another
    gateway. The result says what the gateway said; it is called outside every transaction.
    """
    campaign = Campaign.objects.select_related("meeting__issuer").get(pk=campaign_id)
    if campaign.state not in (Campaign.State.DRAFT, Campaign.State.APPROVED):
        raise WrongState(campaign)
    check_sendable(campaign)
    if gateway not in {way["gateway"] for step in campaign.plan for way in step}:
        raise NotInPlan
    notice = wording.compose_for(campaign, wording.mode_of(gateway))
    message = notice.specimen(ref=f"trial-{secrets.token_hex(8)}", phone=plain_number(phone))
    (result,) = gateways.gateway(gateway).send([message])
    journal.record(
        campaign.meeting_id,
        "campaign.tried",
        by=by,
        at=now,
        campaign=campaign.number,
        gateway=gateway,
        outcome=result.outcome.value,
    )
    return result
