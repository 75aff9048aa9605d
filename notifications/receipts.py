"""Receipts (状态报告): taken in at once, applied in batches, harmless in any order and number.

A receipt moves only a delivery that was handed to the gateway that posted it, and only upwards in
rank; it never makes or sends a message. Each delivery was SENDING before its message left, so
its receipt finds it; one that does not is tried again for ten minutes and then left unmatched.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction

from notifications.models import Delivery, Receipt
from voting_portal import gateways
from voting_portal.common import ids
from voting_portal.gateways.protocol import ReceiptAnswer, ReceiptLine, Report

TRY_AGAIN_AFTER = timedelta(seconds=30)
GIVE_UP_AFTER = timedelta(minutes=10)
STATES = {Report.DELIVERED: Delivery.State.DELIVERED, Report.FAILED: Delivery.State.FAILED}
RECEIPTS_AT_ONCE = 50  # of up to 500 lines each, with most carriers


def take_in(
    gateway_name: str, *, headers: Mapping[str, str], body: bytes, now: datetime
) -> ReceiptAnswer:
    """Keep a receipt that a gateway posted and return what it wants to hear.

    Raises NoSuchGateway, and NotFromGateway unless it is signed as that gateway signs. A repeat is
    answered like the first and kept once.
    """
    gateway = gateways.gateway(gateway_name)
    lines = gateway.read_receipts(headers, body, now=now)
    digest = hashlib.sha256(gateway_name.encode() + b"\0" + body).digest()
    Receipt.objects.bulk_create(
        [
            Receipt(
                gateway=gateway_name,
                digest=digest,
                lines=[
                    (line.ref, line.report.value, line.reason)
                    for line in lines
                    if isinstance(line, ReceiptLine) and line.report in STATES
                ],
                received_at=now,
                due_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return gateway.receipt_answer


def apply_waiting(*, now: datetime, limit: int = RECEIPTS_AT_ONCE) -> int:
    """Apply up to `limit` receipts that are due; return how many were looked at."""
    with transaction.atomic():
        receipts = list(
            Receipt.objects.select_for_update(skip_locked=True)
            .filter(applied_at__isnull=True, due_at__lte=now)
            .order_by("due_at")[:limit]
        )
        found = _raise_states(receipts, now=now)
        for receipt in receipts:
            named = {delivery for ref, *_ in receipt.lines if (delivery := _delivery(ref))}
            receipt.matched = len(named & found[receipt.gateway])
            if receipt.matched == len(named) or now - receipt.received_at >= GIVE_UP_AFTER:
                receipt.applied_at = now
            else:
                receipt.due_at = now + TRY_AGAIN_AFTER
        Receipt.objects.bulk_update(receipts, ["matched", "applied_at", "due_at"])
    return len(receipts)


def _raise_states(receipts: Iterable[Receipt], *, now: datetime) -> dict[str, set[int]]:
    """Apply the lines, one statement a gateway and meeting; the deliveries found, by gateway."""
    # Of several lines about one delivery the highest state counts: carriers send both.
    lines: defaultdict[tuple[str, int], dict[int, tuple[int, str]]] = defaultdict(dict)
    for receipt in receipts:
        for ref, report, reason in receipt.lines:
            if delivery := _delivery(ref):
                state = STATES[Report(report)]
                meeting = ids.meeting_of(ids.holder_of_delivery(delivery))
                said = lines[receipt.gateway, meeting].get(delivery, (0, ""))
                lines[receipt.gateway, meeting][delivery] = max(said, (int(state), reason))
    found: defaultdict[str, set[int]] = defaultdict(set)
    for (gateway, meeting), of_meeting in sorted(lines.items()):
        found[gateway] |= _raise_of_meeting(gateway, meeting, of_meeting, now=now)
    return found


def _raise_of_meeting(
    gateway: str, meeting: int, lines: Mapping[int, tuple[int, str]], *, now: datetime
) -> set[int]:
    """Raise states to those of the lines, by delivery; return the deliveries that there are."""
    first, end = ids.delivery_range(meeting)
    states, reasons = zip(*lines.values(), strict=True)
    with connection.cursor() as cursor:
        # Rows are locked in the order of their ids, as in dispatching, so that nobody deadlocks.
        cursor.execute(
            """
            WITH line AS (
                SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::text[])
                    AS line (id, state, reason)
            ), found AS (
                SELECT delivery.id FROM notifications_delivery AS delivery
                JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
                WHERE delivery.id = ANY(%s) AND delivery.id >= %s AND delivery.id < %s
                  AND delivery.state >= %s AND batch.gateway = %s
                ORDER BY delivery.id FOR UPDATE OF delivery
            ), raised AS (
                UPDATE notifications_delivery AS delivery
                SET state = line.state, reason = line.reason, changed_at = %s
                FROM line JOIN found USING (id)
                WHERE delivery.id = found.id AND delivery.state < line.state
                  AND delivery.id >= %s AND delivery.id < %s
            )
            SELECT id FROM found
            """,
            [
                *(list(lines), list(states), list(reasons)),
                *(list(lines), first, end, Delivery.State.SENDING, gateway),
                *(now, first, end),
            ],
        )
        return {delivery for (delivery,) in cursor.fetchall()}


def _delivery(ref: str) -> int | None:
    """The delivery that a ref names; None for others, e.g. that of a one-time code."""
    is_number = len(ref) <= 19 and ref.isascii() and ref.isdigit()
    return number if is_number and 0 < (number := int(ref)) < 2**63 else None
