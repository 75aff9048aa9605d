"""What one holder may vote on (表决资格): shares by class, recusals, and ballots cast already.

Every page of a holder begins here, so it is one plain query by two primary keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from ballots.models import Ballot
from meetings.agenda import Agenda, ClassPaper
from meetings.models import Holder
from voting_portal.common import ids

HOLDER = ("id", "kind", "name_masked", "phone_masked", "shares", "link_generation", "phone_index")
BALLOT = (
    *("id", "holder_id", "share_class", "shares", "choices", "level", "commitment", "cast_at"),
    "seq",
)
READ = f"""
SELECT {", ".join(f"holder.{name}" for name in HOLDER)},
       ARRAY(
           SELECT motion."group" || '.' || lpad(motion.item::text, 2, '0')
           FROM meetings_recusal recusal JOIN meetings_motion motion ON motion.id = motion_id
           WHERE recusal.holder_id = holder.id
       ),
       {", ".join(f"ballot.{name}" for name in BALLOT)}
FROM meetings_holder holder
LEFT JOIN ballots_ballot ballot ON ballot.id BETWEEN %(first)s AND %(last)s
WHERE holder.id = %(holder)s AND holder.link_generation = %(generation)s
ORDER BY ballot.id
"""  # noqa: S608 - names of our own columns


@dataclass(frozen=True)
class Entitlement:
    """A holder with the numbers of the motions recused, and the ballots cast by class number."""

    holder: Holder
    recused: frozenset[str]
    cast: Mapping[int, Ballot]

    def classes(self, agenda: Agenda) -> list[ClassPaper]:
        """The classes of which the holder has shares."""
        return [c for c in agenda.share_classes if self.holder.shares_of(c.number) > 0]

    def level_needed(self, agenda: Agenda) -> int:
        """How well the holder must be verified to vote: 2 from the meeting's share of a class."""
        percent = agenda.strong_from_percent
        is_large = percent is not None and any(
            100 * self.holder.shares_of(c.number) >= percent * c.capital
            for c in self.classes(agenda)
        )
        return 2 if is_large else 1

    def next_class(self, agenda: Agenda) -> ClassPaper | None:
        """The first class that has something to vote on and has no ballot yet."""
        for share_class in self.classes(agenda):
            if share_class.number not in self.cast and agenda.votable(share_class):
                return share_class
        return None

    def done_at(self, agenda: Agenda) -> datetime | None:
        """When the last ballot was cast; None while there is something left to vote on."""
        if not self.cast or self.next_class(agenda):
            return None
        return max(ballot.cast_at for ballot in self.cast.values())


def read_entitlement(holder_id: int, generation: int) -> Entitlement | None:
    """One query. None when there is no such holder or the link's generation is over."""
    values = {
        "holder": holder_id,
        "generation": generation,
        "first": ids.ballot_id(holder_id, 0),
        "last": ids.ballot_id(holder_id, 2**ids.CLASS_BITS - 1),
    }
    with connection.cursor() as cursor:
        cursor.execute(READ, values)
        rows = cursor.fetchall()
    if not rows:
        return None
    end = len(HOLDER)
    ballots = [_ballot(row[end + 1 :]) for row in rows if row[end + 1] is not None]
    return Entitlement(
        holder=Holder.from_db("default", HOLDER, rows[0][:end]),
        recused=frozenset(rows[0][end]),
        cast={ballot.share_class: ballot for ballot in ballots},
    )


def _ballot(row: tuple[object, ...]) -> Ballot:
    values = dict(zip(BALLOT, row, strict=True))
    return Ballot(**{**values, "choices": json.loads(str(values["choices"]))})
