"""How far a campaign has come, in figures that do not flatter: accepted is not delivered.

A reminder passes over whoever has voted, so until the polls are sealed everything that comes of it
would tell who has, or how many: by name, by count, by what failed or when it arrived. Until then
its figures know two things: what still waits, and what was dealt with, sent or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q

from notifications import hours, wording
from notifications.models import Campaign, Delivery
from notifications.reasons import known_words
from voting_portal import gateways
from voting_portal.common import ids

State = Delivery.State
RECENT = timedelta(minutes=5)
STEP_MASK = (1 << ids.STEP_BITS) - 1
WAITING = (State.QUEUED, State.SENDING)
HANDED = (State.ACCEPTED, State.NETWORK)
ARRIVED = (State.DELIVERED, State.DISPLAYED)
NOT_ARRIVED = (State.UNREACHED, State.EXPIRED, State.FAILED)


@dataclass(frozen=True)
class Figure:
    """Deliveries in one state now, and when the last of them came into it."""

    state: Delivery.State
    deliveries: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Reason:
    state: Delivery.State
    gateway: str
    code: str
    words: str  # what the code means, where its gateway explains it
    deliveries: int


@dataclass(frozen=True)
class Hour:
    """Deliveries whose last change was in an hour of Beijing time, by what they came to."""

    begins_at: datetime
    arrived: int
    handed: int
    failed: int
    unknown: int

    @property
    def total(self) -> int:
        return self.arrived + self.handed + self.failed + self.unknown


@dataclass(frozen=True)
class Progress:
    """A campaign's deliveries by what is known of each now; `waiting` and `settled` add up.

    A holder whom the first step did not reach has one more delivery for the next step. While it is
    secret, holders are counted instead, and all else is empty.
    """

    waiting: int
    settled: int  # nothing more will be done with them unless a person says so
    is_secret: bool
    figures: tuple[Figure, ...] = ()
    by_gateway: tuple[tuple[str, Counter[int]], ...] = ()  # deliveries by state
    reasons: tuple[Reason, ...] = ()  # most first
    by_hour: tuple[Hour, ...] = ()
    recent: int = 0  # changes of the last five minutes

    @property
    def total(self) -> int:
        return self.waiting + self.settled

    @property
    def rate(self) -> float:
        """Messages a second, over the last five minutes."""
        return self.recent / RECENT.total_seconds()

    def of(self, *states: Delivery.State) -> int:
        """Deliveries in any of these states."""
        return sum(figure.deliveries for figure in self.figures if figure.state in states)


def tells_of_votes(campaign: Campaign) -> bool:
    """Whether what came of a campaign could tell somebody who has voted (Q2)."""
    return campaign.kind == Campaign.Kind.REMINDER and campaign.meeting.polls_sealed_at is None


def progress(campaign: Campaign, *, now: datetime) -> Progress:
    """The figures of a campaign, which comes with its meeting; one pass over its deliveries."""
    if tells_of_votes(campaign):
        waiting = _count_untouched(campaign)
        return Progress(waiting, campaign.planned - waiting, is_secret=True)
    rows = _count(campaign.meeting_id, [campaign.pk], since=now - RECENT)
    waiting = sum(row.deliveries for row in rows if row.state in WAITING)
    return Progress(
        waiting=waiting,
        settled=sum(row.deliveries for row in rows) - waiting,
        is_secret=False,
        figures=_figures(rows),
        by_gateway=_by_gateway(rows),
        reasons=_reasons(rows),
        by_hour=_by_hour(rows),
        recent=sum(row.recent for row in rows if row.state not in WAITING),
    )


def notices_by_hour(meeting_id: int, *, now: datetime) -> tuple[Hour, ...]:
    """All notices of a meeting together; they go to everybody, voted or not, and tell no vote."""
    notices = Campaign.objects.filter(meeting=meeting_id, kind=Campaign.Kind.NOTICE)
    return _by_hour(_count(meeting_id, list(notices.values_list("pk", flat=True)), since=now))


def through_at(campaign: Campaign, figures: Progress, *, now: datetime) -> datetime | None:
    """When the last message should have left at the present rate; None when none is left, or no
    gateway to take it.
    """
    if not figures.waiting:
        return None
    measured = figures.rate if hours.may_send(campaign, now) else 0.0
    rate = measured or _agreed_rate(campaign)
    if not rate:
        return None
    seconds = figures.waiting / rate
    return hours.through_at(campaign, seconds=seconds, now=now)


def _agreed_rate(campaign: Campaign) -> float:
    """Messages a second at the most, by what the carriers of the first step have agreed to."""
    return sum(
        gateways.gateway(way["gateway"]).rate
        / wording.compose_for(campaign, wording.mode_of(way["gateway"])).segments
        for way in campaign.plan[0]
        if gateways.is_usable(way["gateway"])
    )


def _count_untouched(campaign: Campaign) -> int:
    """Holders with whom nothing has been done yet.

    Later steps are only for those to whom the message left, so they are not counted on their own.
    """
    deliveries = Delivery.objects.of_campaign(campaign)
    touched = Count("holder_id", distinct=True, filter=~Q(state=State.QUEUED))
    return campaign.planned - int(deliveries.aggregate(touched=touched)["touched"])


@dataclass(frozen=True)
class _Row:
    step: int
    gateway: str
    state: Delivery.State
    reason: str
    hour: datetime
    deliveries: int
    latest: datetime
    recent: int


def _count(meeting_id: int, campaigns: list[int], *, since: datetime) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (delivery.id & %s)::int, batch.gateway, delivery.state, delivery.reason,
                   date_trunc('hour', delivery.changed_at, 'Asia/Shanghai'),
                   count(*), max(delivery.changed_at),
                   count(*) FILTER (WHERE delivery.changed_at > %s)
            FROM notifications_delivery AS delivery
            JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
            WHERE batch.campaign_id = ANY(%s) AND delivery.id >= %s AND delivery.id < %s
            GROUP BY 1, 2, 3, 4, 5
            """,
            [STEP_MASK, since, campaigns, *ids.delivery_range(meeting_id)],
        )
        return [
            _Row(step, gateway, State(state), *rest)
            for step, gateway, state, *rest in cursor.fetchall()
        ]


def _figures(rows: Iterable[_Row]) -> tuple[Figure, ...]:
    found = {state: [row for row in rows if row.state == state] for state in State}
    return tuple(
        Figure(
            state,
            sum(row.deliveries for row in of_state),
            max((row.latest for row in of_state), default=None),
        )
        for state, of_state in found.items()
    )


def _by_gateway(rows: Iterable[_Row]) -> tuple[tuple[str, Counter[int]], ...]:
    """No gateway is in two steps of a plan, so its name says the step, too."""
    found: dict[tuple[int, str], Counter[int]] = {}
    for row in rows:
        found.setdefault((row.step, row.gateway), Counter())[row.state] += row.deliveries
    return tuple((gateway, states) for (_step, gateway), states in sorted(found.items()))


def _reasons(rows: Iterable[_Row]) -> tuple[Reason, ...]:
    found: Counter[tuple[Delivery.State, str, str]] = Counter()
    for row in rows:
        if row.reason:
            found[row.state, row.gateway, row.reason] += row.deliveries
    words = {gateway: known_words(gateway) for _state, gateway, _code in found}
    return tuple(
        Reason(state, gateway, code, words[gateway].get(code, ""), deliveries)
        for (state, gateway, code), deliveries in found.most_common()
    )


def _by_hour(rows: Iterable[_Row]) -> tuple[Hour, ...]:
    found: dict[datetime, Counter[int]] = {}
    for row in rows:
        if row.state not in (*WAITING, State.SKIPPED):
            found.setdefault(row.hour, Counter())[row.state] += row.deliveries
    return tuple(
        Hour(
            hour,
            arrived=sum(states[state] for state in ARRIVED),
            handed=sum(states[state] for state in HANDED),
            failed=sum(states[state] for state in NOT_ARRIVED),
            unknown=states[State.UNKNOWN],
        )
        for hour, states in sorted(found.items())
    )
