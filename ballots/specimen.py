"""A specimen (样张): a holder who stands on no register, to look at a ballot paper before anybody
gets a link. Nothing of it is stored, and no session of a voter comes of it."""

from __future__ import annotations

from datetime import datetime

from ballots.entitlement import Entitlement
from identity import voters
from identity.links import Link
from identity.voters import Voter
from meetings.agenda import Agenda
from meetings.models import Holder
from voting_portal.common import ids

SHARES = 1_000  # of each class


def specimen_of(agenda: Agenda, *, is_nominee: bool = False) -> Entitlement:
    """A made-up holder with shares of every class of the meeting, recused from nothing."""
    most = max((c.number for c in agenda.share_classes), default=-1)
    holder = Holder(
        id=ids.holder_id(agenda.meeting_id, ids.MAX_INDEX),
        kind=Holder.Kind.NOMINEE if is_nominee else Holder.Kind.INDIVIDUAL,
        name_masked="样*张",
        phone_masked="138****0000",
        shares=[SHARES] * (most + 1),
    )
    return Entitlement(holder=holder, recused=frozenset(), cast={})


def voter_of(entitlement: Entitlement, *, now: datetime) -> Voter:
    """As the paper's footer asks for one; it is put into no browser."""
    holder = entitlement.holder
    link = Link(holder_id=holder.pk, meeting_id=ids.meeting_of(holder.pk), generation=0)
    return voters.begin(link, now=now)
