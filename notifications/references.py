"""Which delivery a receipt speaks of (通道编号): by our ref, or by the gateway's own and the phone.

A long message goes out in parts, each with a name of its own: it has arrived when all its parts
have, and has failed as soon as one has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import Holder, MeetingKey
from meetings.register.records import phone_index
from notifications.models import Delivery, GatewayRef
from voting_portal.common import ids
from voting_portal.gateways import Result

State = Delivery.State
FAILURES = (State.UNREACHED, State.EXPIRED, State.FAILED)


@dataclass(frozen=True)
class Word:
    """What a gateway says of a delivery; `gateway_ref` only where it gives one now."""

    delivery: int
    state: State
    reason: str = ""
    gateway_ref: str = ""


class Line(NamedTuple):
    """A line of a receipt: `delivery` is that of our ref, else 0 and the gateway's own tells."""

    gateway: str
    delivery: int
    gateway_ref: str
    phone: str
    state: State
    reason: str


class Part(NamedTuple):
    """A row of GatewayRef."""

    row: int
    delivery: int
    parts: int


def remember(gateway: str, results: Sequence[Result], *, now: datetime) -> None:
    """Keep the names by which receipts will speak of these messages, where they are not ours."""
    rows = [
        (ref, int(result.ref), part, len(result.refs))
        for result in results
        for part, ref in enumerate(result.refs)
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO notifications_gatewayref
                (gateway, ref, delivery, part, parts, state, made_at)
            SELECT %s, ref, delivery, part, parts, 0, %s
            FROM unnest(%s::text[], %s::bigint[], %s::smallint[], %s::smallint[])
                AS named (ref, delivery, part, parts)
            ON CONFLICT DO NOTHING
            """,
            [gateway, now, *map(list, zip(*rows, strict=True))],
        )


def own_delivery(ref: str) -> int:
    """The delivery that a ref of ours names; 0 for others, e.g. that of a one-time code."""
    is_number = len(ref) <= 19 and ref.isascii() and ref.isdigit()
    return number if is_number and 0 < (number := int(ref)) < 2**63 else 0


def find_deliveries(lines: Iterable[Line]) -> dict[Line, Word]:
    """What each line says of which delivery; lines that name none, or no single one, are left out.

    Notes what is said of the parts of long messages.
    """
    lines = list(lines)
    found = {line: Word(line.delivery, line.state, line.reason) for line in lines if line.delivery}
    by_gateway: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if not line.delivery:
            by_gateway[line.gateway].append(line)
    for gateway, theirs in sorted(by_gateway.items()):
        found |= _find_of_gateway(gateway, theirs)
    return found


def _find_of_gateway(gateway: str, lines: Sequence[Line]) -> dict[Line, Word]:
    """The same for lines by the gateway's own refs."""
    named: defaultdict[str, list[Part]] = defaultdict(list)
    rows = GatewayRef.objects.filter(gateway=gateway, ref__in={line.gateway_ref for line in lines})
    for ref, *row in rows.values_list("ref", "id", "delivery", "parts").order_by("id"):
        named[ref].append(Part(*row))
    phones = _Phones.of(part.delivery for parts in named.values() for part in parts)
    meant: dict[Line, Part] = {}
    for line in lines:
        candidates = named[line.gateway_ref]
        if line.phone:
            candidates = [part for part in candidates if phones.match(part.delivery, line.phone)]
        if len({part.delivery for part in candidates}) == 1:
            meant[line] = candidates[-1]
    whole = _join_parts({line: part for line, part in meant.items() if part.parts > 1})
    return {
        line: Word(part.delivery, line.state, line.reason)
        if part.parts == 1
        # A part that decides nothing yet has named its delivery all the same.
        else Word(part.delivery, whole.get(part.delivery, State.SENDING), line.reason)
        for line, part in meant.items()
    }


def _join_parts(said: Mapping[Line, Part]) -> dict[int, State]:
    """Note what is said of parts; what follows for the whole, by delivery, where anything does."""
    if not said:
        return {}
    deliveries = list({part.delivery for part in said.values()})
    with connection.cursor() as cursor:
        # Who notes another part of the same message waits here, or neither would see the whole.
        cursor.execute(
            """
            SELECT FROM notifications_gatewayref
            WHERE delivery = ANY(%s) AND parts > 1 ORDER BY id FOR UPDATE
            """,
            [deliveries],
        )
        cursor.execute(
            """
            UPDATE notifications_gatewayref AS part SET state = greatest(part.state, said.state)
            FROM (
                SELECT id, max(state) AS state
                FROM unnest(%s::bigint[], %s::smallint[]) AS said (id, state) GROUP BY id
            ) AS said
            WHERE part.id = said.id
            """,
            [[part.row for part in said.values()], [int(line.state) for line in said]],
        )
        # Of a message that staff sent again, the last parts count.
        cursor.execute(
            """
            SELECT delivery, array_agg(state), max(parts) FROM (
                SELECT DISTINCT ON (delivery, part) delivery, parts, state
                FROM notifications_gatewayref
                WHERE delivery = ANY(%s) AND parts > 1 ORDER BY delivery, part, id DESC
            ) AS part GROUP BY delivery
            """,
            [deliveries],
        )
        return {
            delivery: state
            for delivery, states, parts in cursor.fetchall()
            if (state := _of_whole([State(state or State.SENDING) for state in states], parts))
        }


def _of_whole(states: Sequence[State], parts: int) -> State | None:
    """What the states of all parts mean for the message; None while that is open."""
    if failed := [state for state in states if state in FAILURES]:
        return max(failed)
    lowest = min(states)
    return lowest if len(states) == parts and lowest >= State.NETWORK else None


class _Phones:
    """The blind indexes of some deliveries' phones, to compare with a receipt's."""

    def __init__(self, indexes: Mapping[int, bytes | None]) -> None:
        self._indexes = indexes

    @classmethod
    def of(cls, deliveries: Iterable[int]) -> _Phones:
        holders: defaultdict[int, set[int]] = defaultdict(set)
        for holder in map(ids.holder_of_delivery, deliveries):
            holders[ids.meeting_of(holder)].add(holder)
        found: dict[int, bytes | None] = {}
        for meeting, theirs in holders.items():
            rows = Holder.objects.of_meeting(meeting).filter(pk__in=theirs)
            for pk, index in rows.values_list("pk", "phone_index"):
                found[pk] = None if index is None else bytes(index)
        return cls(found)

    def match(self, delivery: int, phone: str) -> bool:
        holder = ids.holder_of_delivery(delivery)
        index = self._indexes.get(holder)
        try:
            key = meeting_key(ids.meeting_of(holder), MeetingKey.Purpose.INDEX)
        except KeyDestroyed:
            return False
        return index is not None and index == phone_index(key, phone)
