"""Detection (监测): what is looked at every half minute, and what is raised when it is found.

Rules are data (voting_portal/incidents/rules.py); here stands where each looks: at the facts that
the monitoring is told, at the sums of what failed, at the journal, at gateways. Nothing here knows
ballots. What only rates of requests tell, or what would stop this very look, is Prometheus' to see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import redis
from django.core.cache import cache
from django.db.models import Count, Max

from identity import limits, sums
from identity.limits import Limit
from identity.staff import LOCKED
from identity.staff_sessions import SIGNED_IN
from identity.unmasking import UNMASKED
from meetings import journal
from meetings.models import JournalEntry
from notifications.models import GatewayHealth
from voting_portal.facts import Facts
from voting_portal.incidents.raising import note_over, raise_incident
from voting_portal.incidents.rules import RULES, Rule

EVERY = timedelta(seconds=30)
LOOKS_BACK = timedelta(minutes=15)
ELSEWHERE = timedelta(hours=1)
UNMASKED_WITHIN, UNMASKED_MANY = timedelta(hours=1), 5
JOURNAL_KEY, JOURNAL_CHECK = "journal-checked", timedelta(hours=1)
SICK_BELOW = 50  # points of a gateway
LINKS_A_MINUTE = 300


@dataclass(frozen=True)
class Sight:
    """What a rule sees now about a subject; `at` when it happened, where it is not now."""

    subject: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class Gauge:
    """A fact that may not be above a number, for each of these values of its label."""

    rule: str
    fact: str
    above: float
    labels: tuple[str, ...] = ("",)
    unit: float = 1  # what the words count in

    def look(self, facts: Mapping[tuple[str, str], float]) -> Iterator[Sight]:
        for label in self.labels:
            value = facts.get((self.fact, label), 0)
            if value > self.above:
                seen = {"value": round(value / self.unit), "what": label}
                yield Sight(label, seen)


GAUGES = (
    Gauge("PortalPollsNotOpened", "portal_meeting_overdue_seconds", 60, ("open",)),
    Gauge("PortalPollsNotClosed", "portal_meeting_overdue_seconds", 60, ("close",)),
    Gauge("PortalLogBehind", "portal_log_behind_seconds", 60),
    Gauge("PortalTransactionHangs", "portal_database_oldest_transaction_seconds", 600),
    Gauge("PortalArchiveStands", "portal_archive_behind_seconds", 300),
    Gauge("PortalCampaignPaused", "portal_campaigns", 0, ("paused",)),
    Gauge("PortalMessagesFail", "portal_deliveries_share", 0.1, ("failed", "unknown"), unit=0.01),
    Gauge("PortalQueueOld", "portal_queue_age_seconds", 120, ("receipts", "leases")),
    Gauge("PortalQueueOld", "portal_queue_age_seconds", 900, ("registers",)),
    Gauge(
        "PortalPurgeOverdue",
        "portal_purge_overdue_seconds",
        86_400,
        ("due", "begun", "forgotten"),
        unit=3_600,
    ),
    Gauge("PortalQueueLong", "portal_queue_length", 1000, ("periodic", "registers", "sending")),
)


def look(*, now: datetime) -> None:
    """Look at everything once; raise what is found, note what is over."""
    facts = _facts(now)
    for name, rule in RULES.items():
        gauges = [gauge for gauge in GAUGES if gauge.rule == name]
        if gauges:
            sights: list[Sight] | None = [s for gauge in gauges for s in gauge.look(facts)]
        elif name in LOOKS:
            sights = LOOKS[name](now, facts)
        else:  # raised where it happens
            continue
        if sights is not None:
            _settle(rule, sights, now=now)


def _settle(rule: Rule, sights: list[Sight], *, now: datetime) -> None:
    lasting = [sight for sight in sights if _has_lasted(rule, sight.subject, now)]
    for sight in lasting:
        at = sight.at or now
        raise_incident(rule, sight.subject, seen=dict(sight.seen), at=at, now=now)
    if not rule.is_moment:
        note_over(rule, still={sight.subject for sight in sights}, now=now)


def _has_lasted(rule: Rule, subject: str, now: datetime) -> bool:
    """Whether it was seen at every look for as long as the rule is patient."""
    if not rule.after:
        return True
    key, at = f"seen-{rule.name}-{subject}", now.timestamp()
    try:
        first, last = cache.get(key) or (at, at)
        if at - last > 3 * EVERY.total_seconds():
            first = at
        cache.set(key, (first, at), timeout=3600)
    except (redis.RedisError, OSError):
        return True  # better too early than not at all
    return bool(at - first >= rule.after.total_seconds())


def _facts(now: datetime) -> dict[tuple[str, str], float]:
    """What the monitoring is told, by name and label; what does not answer is left out."""
    return {
        (family.name, next(iter(sample.labels.values()), "")): sample.value
        for family in Facts(now=now).collect()
        for sample in family.samples
    }


Look = Callable[[datetime, Mapping[tuple[str, str], float]], list[Sight] | None]


def _connections(_now: datetime, facts: Mapping[tuple[str, str], float]) -> list[Sight]:
    used, most = (facts.get(("portal_database_connections", w), 0) for w in ("used", "most"))
    return [Sight(seen={"value": round(100 * used / most)})] if most and used / most > 0.8 else []


def _sending(_now: datetime, facts: Mapping[tuple[str, str], float]) -> list[Sight]:
    ready, leased = (facts.get(("portal_batches", state), 0) for state in ("ready", "leased"))
    return [Sight(seen={"value": round(ready)})] if ready and not leased else []


def _above(name: str, least: int, now: datetime) -> list[Sight] | None:
    """A minute's sum of all addresses; without Redis nothing is known."""
    try:
        found = sums.highest(name, now=now)
    except (redis.RedisError, OSError):
        return None
    return [Sight(name, {"what": name, "value": found})] if found >= least else []


def _at_their_alarm(*watched: Limit) -> Look:
    """Which of these limits' sums are at their alarm."""

    def look_at_all(now: datetime, _facts: Any) -> list[Sight] | None:
        found = [_above(limit.name, limit.alarm_at, now) for limit in watched]
        return None if None in found else [sight for sights in found for sight in sights or ()]

    return look_at_all


def _staff_guessed(now: datetime, _facts: Any) -> list[Sight]:
    sights = [
        Sight(
            entry.details["user"],
            {"what": f"{entry.details['way']} {entry.details['address']}"},
            entry.at,
        )
        for entry in _newest(JournalEntry.objects.filter(verb=LOCKED), now - LOOKS_BACK)
    ]
    limit = limits.STAFF_FAILURES
    return sights + (_above(limit.name, limit.alarm_at, now) or [])


def _staff_elsewhere(now: datetime, _facts: Any) -> list[Sight]:
    places: dict[str, dict[str, datetime]] = {}
    entries = JournalEntry.objects.filter(verb=SIGNED_IN, at__gt=now - ELSEWHERE).order_by("id")
    for entry in entries:
        places.setdefault(entry.actor, {})[entry.details["address"]] = entry.at
    return [
        Sight(actor, {"what": " ".join(sorted(networks))}, max(networks.values()))
        for actor, networks in places.items()
        if len(networks) > 1
    ]


def _figures_asked(now: datetime, _facts: Any) -> list[Sight]:
    asked = _newest(JournalEntry.objects.filter(verb="secrecy.attempt"), now - LOOKS_BACK)
    return [
        Sight(f"meeting:{e.meeting_id}", {"what": f"{e.actor} {e.details['what']}"}, e.at)
        for e in asked
    ]


def _records_unmasked(now: datetime, _facts: Any) -> list[Sight]:
    """Who looked at the registered data of many holders; the limit stops them at twice as many."""
    looks = JournalEntry.objects.filter(verb=UNMASKED, at__gt=now - UNMASKED_WITHIN)
    by_person = looks.values("actor").annotate(number=Count("id"), last=Max("at")).order_by("actor")
    return [
        Sight(each["actor"], {"what": each["actor"], "value": each["number"]}, each["last"])
        for each in by_person.filter(number__gte=UNMASKED_MANY)
    ]


def _newest(entries: Any, since: datetime) -> list[JournalEntry]:
    return list(entries.filter(at__gt=since).order_by("id"))


def _journal_broken(_now: datetime, _facts: Any) -> list[Sight] | None:
    """Once an hour, since it reads all entries."""
    try:
        if not cache.add(JOURNAL_KEY, 1, JOURNAL_CHECK.total_seconds()):
            return None
    except (redis.RedisError, OSError):
        return None
    broken = [chain for chain in journal.chains() if chain.broken_at is not None]
    return [Sight(f"meeting:{c.meeting_id or '-'}", {"value": c.broken_at}) for c in broken]


def _gateway_sick(_now: datetime, _facts: Any) -> list[Sight]:
    sick = GatewayHealth.objects.filter(points__lt=SICK_BELOW).order_by("gateway")
    return [Sight(g.gateway, {"value": g.points, "what": g.reason}) for g in sick]


LOOKS: dict[str, Look] = {
    "PortalConnectionsRunOut": _connections,
    "PortalSendingStands": _sending,
    "PortalLinksGuessed": lambda now, _f: _above(limits.INVALID_LINKS.name, LINKS_A_MINUTE, now),
    "PortalFailuresRise": _at_their_alarm(
        limits.CODE_FAILURES,
        limits.VOTE_CODE_FAILURES,
        limits.PROVIDER_FAILURES,
        limits.LOG_FAILURES,
    ),
    "PortalCodesSpent": _at_their_alarm(limits.CODES_SENT, limits.PROVIDERS_ASKED),
    "PortalStaffGuessed": _staff_guessed,
    "PortalStaffElsewhere": _staff_elsewhere,
    "PortalFiguresAsked": _figures_asked,
    "PortalRecordsUnmasked": _records_unmasked,
    "PortalJournalBroken": _journal_broken,
    "PortalGatewaySick": _gateway_sick,
}
