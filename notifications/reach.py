"""How far a meeting's notices reach (送达漏斗), from the register to the vote.

    registered -> sent -> delivered -> opened      and after the close  -> verified -> voted

Opening is pressing 开始投票: looking at the landing page leaves no trace. That press asks for a
one-time code, and the code's row is the fact, so opening costs the page nothing and nobody's visit
is recorded apart from it. Notices alone are counted; reminders pass over whoever has voted, so what
became of them would tell. Until the polls are sealed, openings are rounded down to tens: the last
few presses are as good as votes.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from notifications.models import Campaign, Delivery
from voting_portal.common import ids

ROUNDED_TO = 10
STAGES = {
    "registered": _("在册股东"),
    "sent": _("已发送会议通知"),
    "delivered": _("已送达"),
    "opened": _("已打开并开始投票"),
    "verified": _("已通过身份核验"),
    "voted": _("已投票"),
}

State = Delivery.State


@dataclass(frozen=True)
class Stage:
    """A stage of the funnel; `percent` is of the holders registered, one decimal."""

    name: str
    holders: int
    percent: float
    is_rounded: bool = False

    @property
    def label(self) -> str:
        return str(STAGES[self.name])

    @property
    def figure(self) -> str:
        """The holders as they may be told: of a rounded number only what it is not below."""
        if not self.is_rounded:
            return f"{self.holders:,}"
        return f"≥ {self.holders:,}" if self.holders else f"< {ROUNDED_TO}"


def reach(meeting: Meeting) -> list[Stage]:
    """The funnel of a meeting; what tells of votes is not even asked for before the seal.

    Until the first notice leaves there is no stage of notices.
    """
    is_sealed = meeting.polls_sealed_at is not None
    counts = _count_reached(meeting.pk)
    if is_sealed:
        counts |= _count_voters(meeting.pk)
    else:
        counts["opened"] -= counts["opened"] % ROUNDED_TO
    if not counts["sent"]:
        del counts["sent"], counts["delivered"]
    registered = counts["registered"]
    return [
        Stage(
            name,
            counts[name],
            round(100 * counts[name] / registered, 1) if registered else 0.0,
            is_rounded=name == "opened" and not is_sealed,
        )
        for name in STAGES
        if name in counts
    ]


def _count_reached(meeting_id: int) -> dict[str, int]:
    notices = Campaign.objects.filter(meeting=meeting_id, kind=Campaign.Kind.NOTICE)
    holders, deliveries = ids.holder_range(meeting_id), ids.delivery_range(meeting_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM meetings_holder WHERE id >= %s AND id < %s),
                   (SELECT count(DISTINCT holder_id) FROM identity_challenge
                    WHERE holder_id >= %s AND holder_id < %s),
                   count(DISTINCT holder_id),
                   count(DISTINCT holder_id) FILTER (WHERE state >= %s)
            FROM notifications_delivery
            WHERE id >= %s AND id < %s AND state > %s
              AND (id >> %s & %s) = ANY(%s::bigint[])
            """,
            [
                *holders,
                *holders,
                State.DELIVERED,
                *(*deliveries, State.SENDING),
                *(ids.STEP_BITS, (1 << ids.CAMPAIGN_BITS) - 1),
                list(notices.values_list("number", flat=True)),
            ],
        )
        registered, opened, sent, delivered = cursor.fetchone()
    return {"registered": registered, "sent": sent, "delivered": delivered, "opened": opened}


def _count_voters(meeting_id: int) -> dict[str, int]:
    holders = ids.holder_range(meeting_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(DISTINCT holder_id) FROM identity_challenge
                    WHERE holder_id >= %s AND holder_id < %s AND passed_at IS NOT NULL),
                   (SELECT count(DISTINCT holder_id) FROM ballots_ballot
                    WHERE id >= %s AND id < %s)
            """,
            [*holders, *ids.ballot_range(meeting_id)],
        )
        verified, voted = cursor.fetchone()
    return {"verified": verified, "voted": voted}
