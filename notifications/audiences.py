"""Whom a campaign tells (发送对象): individuals and institutions whom a message can reach.

Nominees vote for others and are told elsewhere; who has no vote needs no notice. One row of the
register is one person (rule E4), so nobody is told twice for a second account. Beyond that:

    NOTICE, RESULT  nobody who has, or will have, one of this kind already: one a person and meeting
    REMINDER        nobody whose number the notice found dead
    CORRECTION      those to whom a notice went

Nothing here asks who has voted. A reminder is planned for everybody and looks when it leaves, so
neither the size of an audience nor the list of it says anything about votes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from notifications import suppressions
from notifications.models import Campaign, Delivery
from voting_portal.common import ids

Kind = Campaign.Kind
State = Delivery.State

# Why a holder is left out, in words; the first that is true counts.
LEFT_OUT = {
    "not addressed": _("名义持有人及无表决权者"),
    "no phone": _("没有手机号码"),
    "opted out": _("免打扰"),
    "told already": _("本次会议已有同类通知"),
    "never told": _("没有发过会议通知"),
    "dead number": _("会议通知未能送达的号码"),
}


def _in(*states: Delivery.State) -> str:
    return f"state IN ({', '.join(str(state.value) for state in states)})"


@dataclass(frozen=True)
class _Rule:
    """Whom earlier campaigns of a kind rule out: an aggregate over their deliveries to a holder."""

    earlier: Campaign.Kind
    is_out: str
    is_out_without: bool  # any such delivery
    reason: str


_NOT_ARRIVED = _in(State.SKIPPED, State.UNREACHED, State.EXPIRED, State.FAILED)
_TOLD = f"NOT bool_and({_NOT_ARRIVED})"
_RULES = {
    Kind.NOTICE: _Rule(Kind.NOTICE, _TOLD, False, "told already"),
    Kind.RESULT: _Rule(Kind.RESULT, _TOLD, False, "told already"),
    Kind.CORRECTION: _Rule(
        Kind.NOTICE, f"bool_and({_NOT_ARRIVED} OR {_in(State.QUEUED)})", True, "never told"
    ),
    # What became of earlier reminders depends on who had voted, so only notices are asked.
    Kind.REMINDER: _Rule(
        Kind.NOTICE,
        f"bool_or({_in(State.FAILED)}) AND bool_and({_in(State.FAILED, State.SKIPPED)})",
        False,
        "dead number",
    ),
}


def select_audience(campaign: Campaign, *, within: tuple[int, int]) -> tuple[str, list[Any]]:
    """SQL and parameters of a SELECT of the ids of the campaign's holders within a range of ids.

    KeyDestroyed when the meeting's keys are gone.
    """
    select, parameters = _classify(campaign, within)
    return f"SELECT id FROM ({select}) AS classified WHERE left_out = ''", parameters  # noqa: S608


def count_left_out(campaign: Campaign) -> Counter[str]:
    """The meeting's holders by why the campaign leaves them out; "" for those it tells."""
    select, parameters = _classify(campaign, ids.holder_range(campaign.meeting_id))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT left_out, count(*) FROM ({select}) AS classified GROUP BY left_out",  # noqa: S608
            parameters,
        )
        return Counter(dict(cursor.fetchall()))


def _classify(campaign: Campaign, within: tuple[int, int]) -> tuple[str, list[Any]]:
    """A SELECT of (id, left_out) over the meeting's holders of a range of ids, one pass."""
    rule = _RULES[Kind(campaign.kind)]
    earlier = Campaign.objects.filter(meeting_id=campaign.meeting_id, kind=rule.earlier)
    numbers = list(earlier.exclude(pk=campaign.pk).values_list("number", flat=True))
    select = f"""
        SELECT holder.id, CASE
            WHEN kind NOT IN ('I', 'O') THEN 'not addressed'
            WHEN phone_masked = '' THEN 'no phone'
            WHEN opted_out.phone_index IS NOT NULL THEN 'opted out'
            WHEN COALESCE(told.is_out, {rule.is_out_without}) THEN '{rule.reason}'
            ELSE '' END AS left_out
        FROM meetings_holder AS holder
        LEFT JOIN unnest(%s::bytea[]) AS opted_out (phone_index) USING (phone_index)
        LEFT JOIN (
            SELECT holder_id, {rule.is_out} AS is_out FROM notifications_delivery
            WHERE id >= %s AND id < %s AND (id >> %s & %s) = ANY(%s::bigint[])
            GROUP BY holder_id
        ) AS told ON told.holder_id = holder.id
        WHERE holder.id >= %s AND holder.id < %s
    """  # noqa: S608
    return select, [
        suppressions.indexes_at(campaign.meeting_id),
        *(holder << ids.DELIVERY_BITS for holder in within),
        *(ids.STEP_BITS, (1 << ids.CAMPAIGN_BITS) - 1, numbers),
        *within,
    ]
