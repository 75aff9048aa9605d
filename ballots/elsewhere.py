"""Where else a holder voted (其他渠道已投票), as far as files of other channels tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from ballots.models import Channel, OtherVote
from voting_portal.common import ids


@dataclass(frozen=True)
class VotedElsewhere:
    """The first vote of a holder in a channel."""

    channel: Channel
    at: datetime

    @property
    def label(self) -> str:
        return str(self.channel.label)


def voted_elsewhere(holder_id: int) -> list[VotedElsewhere]:
    """The channels in which the holder has a vote that counts at all, earliest first; one query.

    Files come in after the close, so before it there is nothing to ask for.
    """
    found = (
        OtherVote.objects.of_meeting(ids.meeting_of(holder_id))
        .filter(holder_id=holder_id)
        .exclude(effect__in=[OtherVote.Effect.NOTHING, OtherVote.Effect.LISTED])
        .values_list("channel")
        .annotate(at=Min("voted_at"))
        .order_by("at", "channel")
    )
    return [VotedElsewhere(Channel(channel), at) for channel, at in found]
