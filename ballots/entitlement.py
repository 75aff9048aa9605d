"""What one holder may vote on (表决资格): shares by class, recusals, and ballots cast already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, OuterRef, Value
from django.db.models.functions import Cast, Concat, LPad

from ballots.models import Ballot
from meetings.agenda import Agenda, ClassPaper
from meetings.models import Holder, Recusal
from voting_portal.common import ids


@dataclass(frozen=True)
class Entitlement:
    """A holder with the numbers of the motions recused, and the ballots cast by class number."""

    holder: Holder
    recused: frozenset[str]
    cast: Mapping[int, Ballot]

    def classes(self, agenda: Agenda) -> list[ClassPaper]:
        """The classes of which the holder has shares."""
        return [c for c in agenda.share_classes if self.holder.shares_of(c.number) > 0]

    def next_class(self, agenda: Agenda) -> ClassPaper | None:
        """The first class that has something to vote on and has no ballot yet."""
        for share_class in self.classes(agenda):
            if share_class.number not in self.cast and agenda.votable(share_class):
                return share_class
        return None


def read_entitlement(holder_id: int, generation: int) -> Entitlement | None:
    """Two queries. None when there is no such holder or the link's generation is over."""
    number = Concat(
        Cast("motion__group", CharField()),
        Value("."),
        LPad(Cast("motion__item", CharField()), 2, Value("0")),
    )
    recusals = Recusal.objects.filter(holder_id=OuterRef("pk")).annotate(number=number)
    holder = (
        Holder.objects.annotate(recused=ArraySubquery(recusals.values("number")))
        .defer("sealed")
        .filter(pk=holder_id, link_generation=generation)
        .first()
    )
    if holder is None:
        return None
    first = ids.ballot_id(holder_id, 0)
    ballots = Ballot.objects.filter(pk__gte=first, pk__lt=first + 2**ids.CLASS_BITS)
    return Entitlement(
        holder=holder,
        recused=frozenset(holder.recused),  # type: ignore[attr-defined]
        cast={ballot.share_class: ballot for ballot in ballots.order_by("pk")},
    )
