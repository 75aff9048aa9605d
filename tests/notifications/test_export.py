"""A campaign's deliveries as a file, and what did not arrive."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from meetings.models import Holder
from notifications.dead_letters import count_unmatched, dead_letters
from notifications.export import delivery_lines
from notifications.models import Delivery, Receipt

pytestmark = pytest.mark.django_db
State = Delivery.State


def read(campaign):
    text = b"".join(delivery_lines(campaign)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_the_file_has_a_masked_line_for_every_delivery(running):
    first = running.deliveries[0]
    Delivery.objects.filter(pk=first.pk).update(state=State.SKIPPED, reason="opted out")

    head, *lines = read(running.campaign)

    assert head[:3] == ["名册序号", "股东", "手机"]
    assert len(lines) == 30
    assert lines[0][:8] == [
        "1",
        "张*三",
        "154****0001",
        "1",
        "sms",
        "无需发送",
        "opted out",
        "免打扰",
    ]
    assert "15400000001" not in str(lines)


def test_nothing_in_the_file_is_a_formula(running):
    first = running.deliveries[0]
    Holder.objects.filter(pk=first.holder_id).update(name_masked='=HYPERLINK("x")')
    Delivery.objects.filter(pk=first.pk).update(reason="-1+1")

    _head, line, *_rest = read(running.campaign)

    assert line[1] == '\'=HYPERLINK("x")'
    assert line[6] == "'-1+1"


def test_the_file_comes_in_blocks(running):
    blocks = list(delivery_lines(running.campaign))

    assert len(blocks) == 2
    assert blocks[0].startswith("\ufeff名册序号".encode())


def test_dead_letters_are_those_that_did_not_arrive_or_may_not_have(running):
    states = [State.UNREACHED, State.UNKNOWN, State.FAILED, State.FAILED, State.EXPIRED]
    for delivery, state in zip(running.deliveries, states, strict=False):
        Delivery.objects.filter(pk=delivery.pk).update(state=state)

    found = dead_letters(running.campaign)

    assert [(group.state.name, group.number) for group in found] == [
        ("UNREACHED", 1),
        ("UNKNOWN", 1),
        ("FAILED", 2),
        ("EXPIRED", 1),
    ]
    assert found[0].first[0].holder.phone_masked == "154****0001"


def test_receipts_that_named_nobody_are_counted(running):
    now = timezone.now()
    for digest, matched, applied in ((b"1", 1, now), (b"2", 3, now), (b"3", 0, None)):
        Receipt.objects.create(
            gateway="sms",
            digest=digest,
            lines=[["1"], ["2"], ["3"]],
            received_at=now,
            due_at=now,
            applied_at=applied,
            matched=matched,
        )

    assert count_unmatched(running.campaign) == 2
