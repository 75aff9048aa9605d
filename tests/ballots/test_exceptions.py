"""The exception list (异常清单): what it writes down is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from ballots.exceptions import exception_lines
from ballots.models import OtherVote
from meetings import lifecycle
from tests.factories import make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_no_account_becomes_a_formula(sign):
    meeting = make_meeting()
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    OtherVote.objects.create(
        id=ids.holder_id(meeting.pk, 1),
        vote_import_id=1,
        channel="TRADING",
        account_masked=f"{sign}*****0001",
        share_class=0,
        shares=0,
        choices={"1.00": "FOR"},
        reasons=["NOT_ON_REGISTER"],
        effect="NOTHING",
        voted_at=timezone.now(),
        seq=7,
        row=1,
    )

    text = b"".join(exception_lines(meeting.pk)).decode("utf-8-sig")

    [_head, row] = csv.reader(io.StringIO(text))
    assert row[4] == f"'{sign}*****0001"


def test_the_heading_comes_before_anything_is_looked_for(django_assert_num_queries):
    meeting = make_meeting()
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    with django_assert_num_queries(0):
        heading = next(exception_lines(meeting.pk))

    assert heading.decode("utf-8-sig").startswith("情形,渠道,")
