"""Which phones show what a gateway sends (能力查询): asked once a month, kept by blind index."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from notifications.models import Capability
from voting_portal.gateways import pacing
from voting_portal.gateways.protocol import CanLookUp, CannotAsk, Gateway

BELIEVED_FOR = timedelta(days=30)
PATIENCE_SECONDS = 10.0

logger = logging.getLogger(__name__)


def find_unable(gateway: Gateway, phones: Mapping[str, bytes], *, now: datetime) -> set[str]:
    """Of these phones, each with its blind index, those that cannot show what the gateway sends.

    Asks the carrier for those that are not known yet. A phone of which it says nothing is taken to
    be able: the message goes out, and the network or a receipt will tell. Raises PaceUnknown.
    """
    if not isinstance(gateway, CanLookUp):
        return set()
    known = {
        bytes(index): is_able
        for index, is_able in Capability.objects.filter(
            gateway=gateway.name,
            phone_index__in=list(phones.values()),
            asked_at__gt=now - BELIEVED_FOR,
        ).values_list("phone_index", "is_able")
    }
    able = {phone: known[index] for phone, index in phones.items() if index in known}
    answers = _ask(gateway, [phone for phone in phones if phone not in able])
    Capability.objects.bulk_create(
        [
            Capability(
                gateway=gateway.name, phone_index=phones[phone], is_able=is_able, asked_at=now
            )
            for phone, is_able in sorted(answers.items())
        ],
        update_conflicts=True,
        unique_fields=["gateway", "phone_index"],
        update_fields=["is_able", "asked_at"],
    )
    return {phone for phone, is_able in {**able, **answers}.items() if not is_able}


def _ask(gateway: CanLookUp, phones: list[str]) -> dict[str, bool]:
    """The carrier's answers, as far as it gives them in time."""
    answers: dict[str, bool] = {}
    line = f"{gateway.name}:lookup"  # type: ignore[attr-defined]
    for at in range(0, len(phones), gateway.lookup_size):
        rate = gateway.lookup_rate
        if not pacing.wait_for_turn(line, segments=1, rate=rate, patience=PATIENCE_SECONDS):
            break
        try:
            answers |= gateway.supports(phones[at : at + gateway.lookup_size])
        except CannotAsk as refusal:
            logger.warning("no look-up at %s: %s", line, refusal)
            break
    return answers
