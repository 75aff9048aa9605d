"""The exception list (异常清单): what it writes down is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from ballots.exceptions import exception_lines
from ballots.models import OtherVote
from meetings import lifecycle
from tests.factories import make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    meeting = make_meeting()
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    return meeting


def flag(meeting, **fields):
    """A vote of another channel whose account nobody knows."""
    values = {
        "account_masked": "A*****0001",
        "reasons": ["NOT_ON_REGISTER"],
        "voted_at": timezone.now(),
        **fields,
    }
    OtherVote.objects.create(
        id=ids.holder_id(meeting.pk, 1),
        vote_import_id=1,
        channel="TRADING",
        share_class=0,
        shares=0,
        choices={"1.00": "FOR"},
        effect="NOTHING",
        seq=7,
        row=1,
        **values,
    )


def exceptions(meeting):
    text = b"".join(exception_lines(meeting.pk)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_no_account_becomes_a_formula(sign, meeting):
    flag(meeting, account_masked=f"{sign}*****0001")

    [row] = exceptions(meeting)

    assert row[4] == f"'{sign}*****0001"


def test_times_are_those_of_beijing_to_the_millisecond(meeting):
    flag(meeting, voted_at=datetime(2026, 6, 26, 1, 31, 7, 412_999, tzinfo=UTC))

    [row] = exceptions(meeting)

    assert row[3] == "2026-06-26 09:31:07.412"


def test_reasons_are_said_in_words(meeting):
    flag(meeting, reasons=["NOT_ON_REGISTER", "OUTSIDE_WINDOW"])

    [row] = exceptions(meeting)

    assert row[0] == "有标记"
    assert row[7] == "账户不在名册、不在投票时段"


def test_the_heading_comes_before_anything_is_looked_for(meeting, django_assert_num_queries):
    with django_assert_num_queries(0):
        heading = next(exception_lines(meeting.pk))

    assert heading.decode("utf-8-sig").startswith("情形,渠道,")
