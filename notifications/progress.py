"""How far a campaign has come, in figures that do not flatter: accepted is not delivered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count
from django.db.models import Max as Latest

from meetings.models import Meeting
from notifications.models import Campaign, Delivery

State = Delivery.State
# Whoever has voted is not written to: these states, and how many are in each, tell who voted.
TELLING = (State.SKIPPED, State.ACCEPTED, State.DELIVERED)


@dataclass(frozen=True)
class Progress:
    """Deliveries by what is known of each now; the figures from `queued` on add up to `planned`."""

    planned: int
    queued: int
    sending: int
    skipped: int
    accepted: int  # the carrier has them, no receipt yet
    delivered: int
    failed: int
    unknown: int  # handed over, no answer: never sent again
    reasons: tuple[tuple[str, str, int], ...]  # (state in words, reason, deliveries), most first
    changed_at: datetime | None

    @property
    def told_or_not(self) -> int:
        """Deliveries in the states that tell of votes, in one figure that does not."""
        return self.skipped + self.accepted + self.delivered

    @property
    def settled(self) -> int:
        """Deliveries that no worker will touch any more."""
        return self.planned - self.queued - self.sending


def tells_of_votes(meeting: Meeting, *, now: datetime) -> bool:
    """Whether deliveries could tell somebody who has voted: from the opening to the seal (Q2)."""
    return now >= meeting.polls_open_at and meeting.polls_sealed_at is None


def without_telling(figures: Progress) -> Progress:
    """The same figures without the reasons of states that tell of votes."""
    telling = {str(state.label) for state in TELLING}
    reasons = tuple(reason for reason in figures.reasons if reason[0] not in telling)
    return replace(figures, reasons=reasons)


def progress(campaign: Campaign) -> Progress:
    """The figures of a campaign, from one pass over its deliveries."""
    rows = (
        Delivery.objects.of_campaign(campaign)
        .values("state", "reason")
        .annotate(deliveries=Count("id"), latest=Latest("changed_at"))
        .order_by("-deliveries", "state", "reason")
    )
    found = list(rows)
    by_state: Counter[int] = Counter()
    for row in found:
        by_state[row["state"]] += row["deliveries"]
    return Progress(
        planned=campaign.planned,
        queued=by_state[State.QUEUED],
        sending=by_state[State.SENDING],
        skipped=by_state[State.SKIPPED],
        accepted=by_state[State.ACCEPTED],
        delivered=by_state[State.DELIVERED],
        failed=by_state[State.FAILED],
        unknown=by_state[State.UNKNOWN],
        reasons=tuple(
            (str(State(row["state"]).label), row["reason"], row["deliveries"])
            for row in found
            if row["reason"]
        ),
        changed_at=max((row["latest"] for row in found), default=None),
    )
