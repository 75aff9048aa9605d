"""Receipts (状态报告): taken in at once, applied in batches, harmless in any order and number.

A receipt moves only a delivery that was handed to the gateway that posted it, and only upwards in
rank; it never makes or sends a message. It names a message by our ref, or by the gateway's own,
which was noted when the message was handed over; where one name stands for several, the phone
tells which. A receipt may come before the note: what names nothing is tried again for ten minutes
and then left unmatched.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from meetings.keys import keystore
from meetings.rewrapping import Column
from notifications import easing, outcomes, references
from notifications.models import Delivery, Receipt
from notifications.reasons import REVOKED
from notifications.references import Line, Word
from notifications.withdrawals import take_replies
from voting_portal import gateways
from voting_portal.common import ids
from voting_portal.gateways.protocol import ReceiptAnswer, ReceiptLine, Reply, Report

TRY_AGAIN_AFTER = timedelta(seconds=30)
GIVE_UP_AFTER = timedelta(minutes=10)
STATES = {
    Report.NETWORK: Delivery.State.NETWORK,
    Report.DELIVERED: Delivery.State.DELIVERED,
    Report.DISPLAYED: Delivery.State.DISPLAYED,
    Report.FAILED: Delivery.State.FAILED,
    Report.UNREACHED: Delivery.State.UNREACHED,
    Report.REVOKED: Delivery.State.EXPIRED,
}
RECEIPTS_AT_ONCE = 50  # of up to 500 lines each, with most carriers
_PHONES = b"phones of a receipt"
WRAPPED = Column(Receipt, "phones", lambda _row: _PHONES)


def take_in(
    gateway_name: str, *, headers: Mapping[str, str], body: bytes, now: datetime
) -> ReceiptAnswer:
    """Keep a receipt that a gateway posted and return what it wants to hear.

    Raises NoSuchGateway, and NotFromGateway unless it is signed as that gateway signs. A repeat is
    answered like the first and kept once.
    """
    gateway = gateways.gateway(gateway_name)
    lines = gateway.read_receipts(headers, body, now=now)
    _keep(gateway_name, lines, raw=body, now=now)
    return gateway.receipt_answer


def take_lines(gateway_name: str, lines: Sequence[ReceiptLine | Reply], *, now: datetime) -> None:
    """Keep what came over a gateway's own link or as its answer, where nobody else can speak.

    `lines` may be empty; then nothing is kept.
    """
    raw = json.dumps([str(vars(line)) for line in lines]).encode()
    _keep(gateway_name, lines, raw=raw, now=now)


def apply_waiting(*, now: datetime, limit: int = RECEIPTS_AT_ONCE) -> int:
    """Apply up to `limit` receipts that are due; return how many were looked at."""
    with transaction.atomic():
        receipts = list(
            Receipt.objects.select_for_update(skip_locked=True)
            .filter(applied_at__isnull=True, due_at__lte=now)
            .order_by("due_at")[:limit]
        )
        lines = {receipt.pk: _read_lines(receipt) for receipt in receipts}
        named = references.find_deliveries([line for read in lines.values() for line in read])
        found, counted = _raise_states(named, now=now)
        for receipt in receipts:
            wanted = [named.get(line) for line in lines[receipt.pk]]
            receipt.matched = sum(word is not None and word.delivery in found for word in wanted)
            if receipt.matched == len(wanted) or now - receipt.received_at >= GIVE_UP_AFTER:
                receipt.applied_at, receipt.phones = now, None
            else:
                receipt.due_at = now + TRY_AGAIN_AFTER
        Receipt.objects.bulk_update(receipts, ["matched", "applied_at", "due_at", "phones"])
    # Counted when the rows are free again, so that nobody waits for a count while holding them.
    for gateway, arrived in sorted(counted.items()):
        easing.count(gateway, now=now, **arrived)
    return len(receipts)


def _keep(gateway: str, lines: Sequence[ReceiptLine | Reply], *, raw: bytes, now: datetime) -> None:
    """One row for what came at once; what people replied is acted on, not kept."""
    take_replies(gateway, (line for line in lines if isinstance(line, Reply)), now=now)
    reports = [line for line in lines if isinstance(line, ReceiptLine)]
    if not reports:
        return
    phones = json.dumps([r.phone for r in reports]) if any(r.phone for r in reports) else ""
    Receipt.objects.bulk_create(
        [
            Receipt(
                gateway=gateway,
                digest=hashlib.sha256(gateway.encode() + b"\0" + raw).digest(),
                lines=[[r.ref, r.gateway_ref, r.report.value, r.reason] for r in reports],
                phones=keystore().wrap(phones.encode(), context=_PHONES) if phones else None,
                received_at=now,
                due_at=now,
            )
        ],
        ignore_conflicts=True,
    )


def _read_lines(receipt: Receipt) -> list[Line]:
    """The lines that may name a delivery."""
    phones = [""] * len(receipt.lines)
    if receipt.phones is not None:
        phones = json.loads(keystore().unwrap(bytes(receipt.phones), context=_PHONES))
    lines = []
    for (ref, gateway_ref, report, code), phone in zip(receipt.lines, phones, strict=True):
        delivery = references.own_delivery(ref)
        if delivery or gateway_ref:
            state = STATES[Report(report)]
            reason = REVOKED if Report(report) is Report.REVOKED else code
            lines.append(Line(receipt.gateway, delivery, gateway_ref, phone, state, reason))
    return lines


def _raise_states(
    named: Mapping[Line, Word], *, now: datetime
) -> tuple[set[int], dict[str, Counter[str]]]:
    """Raise what the lines name, one statement a gateway and meeting.

    Returns the deliveries found, and by gateway how many `delivered` and how many of them `slow`.
    """
    # Of several lines about one delivery the highest state counts: carriers send both.
    words: defaultdict[tuple[str, int], dict[int, Word]] = defaultdict(dict)
    for line, word in named.items():
        meeting = ids.meeting_of(ids.holder_of_delivery(word.delivery))
        said = words[line.gateway, meeting]
        if word.delivery not in said or said[word.delivery].state < word.state:
            said[word.delivery] = word
    found: set[int] = set()
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (gateway, meeting), of_meeting in sorted(words.items()):
        raised = outcomes.raise_states(gateway, meeting, list(of_meeting.values()), now=now)
        found |= raised.found
        counted[gateway].update(delivered=raised.delivered, slow=raised.slow)
    return found, counted
