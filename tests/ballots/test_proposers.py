"""Who proposed a motion, and what the board says of it: told wherever the motion is read."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from identity.links import personal_url
from meetings import live
from meetings.models import Meeting
from tests.factories import make_holder, make_meeting, make_secretary

pytestmark = pytest.mark.django_db
NAME, OPINION = "甲集团有限公司（持股3.20%）", "董事会建议股东投反对票。"


@pytest.fixture
def meeting():
    meeting = make_meeting()
    meeting.motions.filter(group=2).update(
        proposer="HOLDERS", proposer_name=NAME, board_opinion=OPINION
    )
    Meeting.objects.update(revision=9)
    live.forget()
    return meeting


def pages(client, verified, meeting):
    """The pages on which people read what is put to the vote, as text by name."""
    holder = make_holder(meeting)
    nominee = make_holder(meeting, kind="N", name="某某证券", index=2)
    yield "landing", client.get(personal_url(holder.pk, 0)).text
    yield "public agenda", client.get(f"/m/{meeting.pk}").text
    ballot = reverse("ballots:ballot", args=[meeting.pk])
    yield "ballot", verified(holder).get(ballot).text
    yield "nominee's ballot", verified(nominee).get(ballot).text
    client.force_login(make_secretary(meeting.issuer))
    yield "proof", client.get(reverse("console:agenda", args=[meeting.pk])).text


def test_every_page_names_the_proposer_and_the_boards_opinion(client, verified, meeting):
    for name, page in pages(client, verified, meeting):
        assert page.count(f"提案股东：{NAME}") == 1, name
        assert page.count(f"董事会意见：{OPINION}") == 1, name
        assert page.count("股东提案") == 1, name
        assert page.count("董事会提案") == 2, name


def test_in_english_a_page_says_it_in_english(client, meeting):
    page = client.get(f"/m/{meeting.pk}", headers={"Accept-Language": "en"}).text

    for words in ("Shareholder proposal", "Board proposal", f"Proposed by {NAME}"):
        assert words in page
    assert f"The board’s opinion: {OPINION}" in page


@pytest.mark.parametrize(
    ("group", "change"),
    [
        (1, {"proposer": "SOMEBODY"}),
        (1, {"proposer": "HOLDERS"}),
        (1, {"proposer_name": "甲集团"}),
        (1, {"board_opinion": "同意"}),
        (2, {"proposer": "SUPERVISORS"}),
    ],
)
def test_the_database_holds_no_name_or_opinion_that_does_not_fit(meeting, group, change):
    of_group = meeting.motions.filter(group=group)
    before = of_group.values().get()

    with pytest.raises(IntegrityError), transaction.atomic():
        of_group.update(**change)

    assert of_group.values().get() == before
