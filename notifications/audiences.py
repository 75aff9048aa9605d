"""Whom a campaign tells (发送对象): individuals and institutions whom a message can reach.

Nominees vote for others and are told elsewhere; who has no vote needs no notice. One row of the
register is one person (rule E4), so nobody is told twice for a second account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from notifications.models import Campaign
from voting_portal.common import ids

IN_AUDIENCE = "kind IN ('I', 'O') AND phone_masked <> ''"


@dataclass(frozen=True)
class Audience:
    told: int
    without_phone: int  # individuals and institutions that no message can reach
    not_addressed: int  # nominees, and holders without a vote


def select_audience(campaign: Campaign) -> tuple[str, Sequence[Any]]:
    """A query for the ids of the holders whom a campaign tells, and its parameters."""
    query = f"SELECT id FROM meetings_holder WHERE id >= %s AND id < %s AND {IN_AUDIENCE}"  # noqa: S608
    return query, ids.holder_range(campaign.meeting_id)


def count_audience(meeting_id: int) -> Audience:
    """The holders of a meeting by whether a campaign would tell them; one pass over them."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE {IN_AUDIENCE}),
                   count(*) FILTER (WHERE kind IN ('I', 'O') AND phone_masked = ''),
                   count(*) FILTER (WHERE kind NOT IN ('I', 'O'))
            FROM meetings_holder WHERE id >= %s AND id < %s
            """,  # noqa: S608
            ids.holder_range(meeting_id),
        )
        return Audience(*cursor.fetchone())
