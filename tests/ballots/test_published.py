"""After the close: the public result, and what a holder is told of votes elsewhere."""

from __future__ import annotations

import io

import pytest
from django.urls import reverse
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.importing import import_votes
from ballots.models import Channel, Tally
from ballots.opening import recount
from identity.links import personal_url
from meetings import lifecycle, live
from meetings.agenda import read_agenda
from meetings.models import Holder, Meeting
from tests.factories import make_holder, make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    """Counted: 4,321 shares voted here, 1,000 in the trading system."""
    meeting = make_meeting()
    make_holder(meeting, shares=4_321)
    make_holder(meeting, shares=1_000)
    entitlement = read_entitlement(holder(meeting, 1).pk, 0)
    choices = {"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 8_642}}
    cast_ballot(
        entitlement=entitlement,
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices=choices,
        level=1,
    )
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    day = meeting.meeting_date
    rows = f"A000000002,1,反对,{day:%Y-%m-%d} 09:40:12.000,1\n"
    import_votes(
        meeting.pk,
        io.BytesIO(f"证券账户,议案序号,表决意见,表决时间,受理序号\n{rows}".encode()),
        file_name="votes.csv",
        channel=Channel.TRADING,
        by="operator:1",
        now=timezone.now(),
    )
    Tally.objects.create(
        meeting=meeting,
        content=recount(meeting.pk),
        asked_by="operator:2",
        counted_by="operator:1",
        counted_at=timezone.now(),
    )
    live.forget()
    return meeting


def holder(meeting, index):
    return Holder.objects.get(pk=ids.holder_id(meeting.pk, index))


def publish(meeting):
    # A rehearsal is never published; this one stands for a meeting that was none.
    Meeting.objects.filter(pk=meeting.pk).update(state="PUBLISHED", is_rehearsal=False)
    live.forget()


def page_of(meeting):
    return reverse("ballots:result", args=[meeting.pk])


@pytest.mark.parametrize("state", ["CLOSED", "TALLIED", "CERTIFIED"])
def test_before_the_publication_there_is_no_result(client, meeting, state):
    Meeting.objects.filter(pk=meeting.pk).update(state=state)
    live.forget()

    assert client.get(page_of(meeting)).status_code == 404
    assert page_of(meeting) not in client.get(personal_url(holder(meeting, 1).pk, 0)).text


def test_the_public_result_says_the_totals_of_every_motion(client, meeting):
    publish(meeting)

    page = client.get(page_of(meeting)).text

    for words in ("4,321", "通过", "不通过", "8,642", "当选", "81.2065%", "关于修改公司章程的议案"):
        assert words in page
    assert "张" not in page
    assert page.count('class="opinion-bar"') == 2


def test_the_link_leads_to_the_public_result(client, meeting):
    publish(meeting)

    for index in (1, 2):
        assert page_of(meeting) in client.get(personal_url(holder(meeting, index).pk, 0)).text


def test_who_voted_in_another_channel_is_told_where_and_when(client, meeting):
    Meeting.objects.filter(pk=meeting.pk).update(state="CLOSED")
    live.forget()

    there = client.get(personal_url(holder(meeting, 2).pk, 0)).text
    here = client.get(personal_url(holder(meeting, 1).pk, 0)).text

    assert "您已投票" in there
    assert "交易系统投票平台</dt><dd>已投票<small>" in there
    assert "09:40:12" in there
    assert "09:40:12" not in here


def test_a_vote_elsewhere_that_counts_for_nothing_is_not_told_as_one(client, meeting):
    Meeting.objects.filter(pk=meeting.pk).update(state="CLOSED")
    Holder.objects.filter(pk=holder(meeting, 1).pk).update(kind=Holder.Kind.VOTELESS)
    rows = f"A000000001,1,反对,{meeting.meeting_date:%Y-%m-%d} 03:00:00.000,7\n"
    import_votes(
        meeting.pk,
        io.BytesIO(f"证券账户,议案序号,表决意见,表决时间,受理序号\n{rows}".encode()),
        file_name="night.csv",
        channel=Channel.INTERNET,
        by="operator:1",
        now=timezone.now(),
    )
    live.forget()

    assert "03:00:00" not in client.get(personal_url(holder(meeting, 1).pk, 0)).text
