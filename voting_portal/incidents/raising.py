"""Raising an incident and dealing with it: seen, taken on by somebody, ended with a finding."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from meetings import journal
from voting_portal.common.refusals import Refusal
from voting_portal.incidents.models import Incident
from voting_portal.incidents.rules import Rule

State = Incident.State
BY = "system:detection"
log = logging.getLogger(__name__)


class CannotDealWith(Refusal):
    """The incident stays as it is; `message` says why."""


class TakenOn(CannotDealWith):
    message = _("已有人接手。")


class ClosedAlready(CannotDealWith):
    message = _("该事件单已结束。")


class NoFinding(CannotDealWith):
    message = _("请写明结论：原因是什么，做了什么。")


class StillSeen(CannotDealWith):
    message = _("现象仍在持续，恢复后才能结束。")


def raise_incident(
    rule: Rule, subject: str, *, seen: dict[str, Any], at: datetime, now: datetime
) -> None:
    """Note that a rule saw something about a subject at `at`; one incident is open for both.

    What was seen no later than what an incident that is closed already saw raises nothing.
    """
    if _see_again(rule, subject, seen=seen, at=at):
        return
    closed = Incident.objects.filter(rule_name=rule.name, subject=subject, last_seen_at__gte=at)
    if closed.exists():
        return
    try:
        # Of two who see it at once, the constraint incident_one_open lets one in.
        with transaction.atomic():
            Incident.objects.create(
                rule_name=rule.name,
                subject=subject,
                severity=rule.severity,
                role=rule.role,
                seen=seen,
                raised_at=now,
                last_seen_at=at,
            )
            journal.record(None, "incident.raised", by=BY, at=now, rule=rule.name, subject=subject)
    except IntegrityError as error:
        if "incident_one_open" not in str(error):
            raise
        _see_again(rule, subject, seen=seen, at=at)
    else:
        log.error("incident %s: %s", rule.name, subject or "-")


def note_over(rule: Rule, *, still: Collection[str], now: datetime) -> int:
    """Note of the rule's incidents that are not closed which are not seen any more; how many."""
    gone = Incident.objects.filter(rule_name=rule.name, over_at=None).exclude(state=State.CLOSED)
    return gone.exclude(subject__in=still).update(over_at=now)


def acknowledge(incident_id: int, *, by: str, now: datetime) -> None:
    """Take an incident on; TakenOn when somebody has, ClosedAlready."""
    row = Incident.objects.filter(pk=incident_id, state=State.OPEN)
    with transaction.atomic():
        if not row.update(state=State.ACKNOWLEDGED, acknowledged_by=by, acknowledged_at=now):
            is_closed = Incident.objects.filter(pk=incident_id, state=State.CLOSED).exists()
            raise ClosedAlready if is_closed else TakenOn
        journal.record(None, "incident.acknowledged", by=by, at=now, incident=incident_id)


def close_incident(incident_id: int, *, finding: str, by: str, now: datetime) -> None:
    """End an incident with what was found and done.

    NoFinding without words, StillSeen while the rule sees it, ClosedAlready.
    """
    finding = finding.strip()
    if not finding:
        raise NoFinding
    with transaction.atomic():
        incident = Incident.objects.select_for_update().get(pk=incident_id)
        if incident.state == State.CLOSED:
            raise ClosedAlready
        rule = incident.rule
        if rule and not rule.is_moment and incident.over_at is None:
            raise StillSeen
        Incident.objects.filter(pk=incident_id).update(
            state=State.CLOSED, closed_by=by, closed_at=now, finding=finding
        )
        journal.record(None, "incident.closed", by=by, at=now, incident=incident_id)


def _see_again(rule: Rule, subject: str, *, seen: dict[str, Any], at: datetime) -> bool:
    """Whether an incident is open for both; what is newer is added to it."""
    known = Incident.objects.filter(rule_name=rule.name, subject=subject).exclude(
        state=State.CLOSED
    )
    newer = known.filter(last_seen_at__lt=at)
    if newer.update(times=F("times") + 1, last_seen_at=at, seen=seen, over_at=None):
        return True
    return known.exists()
