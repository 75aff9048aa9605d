"""Who voted in more than one channel (渠道冲突), and which vote counts: the first one.

A list for whoever hands in the votes of the room: no opinion stands in it, only who, where, when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from ballots.effective import Votes
from ballots.models import Channel
from meetings.agenda import read_agenda
from voting_portal.common import ids

LISTED = 200
OWN = "LINK"  # the channel of our own ballots

CONFLICTS = """
WITH part AS (
    SELECT vote.holder_id, vote.share_class, vote.channel, vote.at, place.key,
           dense_rank() OVER one AS nth,
           first_value(vote.channel) OVER one AS first_channel,
           first_value(vote.at) OVER one AS first_at
    FROM tally_vote vote, jsonb_object_keys(vote.places) place (key)
    WINDOW one AS (PARTITION BY {what_is_said_once}
                   ORDER BY vote.at, vote.seq, vote.source, vote.id)
)
SELECT part.holder_id, holder.name_masked, part.share_class, part.channel, part.at,
       part.first_channel, part.first_at,
       array_agg(part.key ORDER BY array_position({motions}::text[], part.key))
FROM part JOIN meetings_holder holder ON holder.id = part.holder_id
WHERE part.nth > 1 AND part.channel <> part.first_channel
  AND {channel} IN (part.channel, part.first_channel)
GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 3, 5, 4 LIMIT {limit}
"""
WHAT_IS_SAID_ONCE = {
    "MOTION": "vote.holder_id, vote.share_class, place.key",
    "BALLOT": "vote.holder_id, vote.share_class",
}


@dataclass(frozen=True)
class Conflict:
    """Motions on which a later vote counts for nothing, since an earlier one stands."""

    number: int  # in the register
    name: str  # masked
    share_class: str
    motions: Sequence[str]
    winner: str  # the channel's name
    won_at: datetime
    loser: str
    lost_at: datetime


@transaction.atomic
def conflicts_of(meeting_id: int, *, channel: Channel) -> list[Conflict]:
    """The first two hundred conflicts in which this channel won or lost; NotClosed before the
    seal."""
    agenda = read_agenda(meeting_id)
    Votes(agenda).sort_out()
    once = WHAT_IS_SAID_ONCE[agenda.policies["first_vote_scope"]]
    query = sql.SQL(CONFLICTS).format(
        what_is_said_once=sql.SQL(once),
        motions=sql.Literal([motion.number for motion in agenda.motions]),
        channel=sql.Literal(channel.value),
        limit=sql.Literal(LISTED),
    )
    labels = {c.number: c.label for c in agenda.share_classes}
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [
            Conflict(
                number=ids.index_of(holder),
                name=name,
                share_class=labels[share_class],
                motions=motions,
                winner=_name(first),
                won_at=first_at,
                loser=_name(later),
                lost_at=at,
            )
            for holder, name, share_class, later, at, first, first_at, motions in cursor.fetchall()
        ]


def _name(channel: str) -> str:
    return _("本平台") if channel == OWN else str(Channel(channel).label)
