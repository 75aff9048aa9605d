"""The holders' pages as a preview for staff: the same templates, no ballot, no session."""

from __future__ import annotations

import pytest
from django.urls import reverse

from ballots.models import Ballot
from ballots.specimen import specimen_of
from meetings.agenda import read_agenda
from meetings.models import Document, Holder
from tests.factories import make_issuer, make_meeting, make_operator
from voting_portal.common.roles import Role

pytestmark = pytest.mark.django_db
ALL_FOR = {"m-1.00": "FOR", "m-2.00": "FOR"}


@pytest.fixture
def meeting():
    return make_meeting(state="DRAFT", issuer=make_issuer(short_name="浦江科技"))


@pytest.fixture
def reader(client):
    client.force_login(make_operator(roles=[Role.AUDITOR]))
    return client


def address(meeting, page, **query):
    return reverse("admin:ballots-specimen", args=[meeting.pk, page], query=query or None)


def test_each_page_says_that_it_is_a_preview_and_leads_back_to_previews(meeting, reader):
    for page in ("landing", "ballot"):
        shown = reader.get(address(meeting, page)).text

        assert "不产生表决" in shown
        assert "浦江科技" in shown
        assert f'"/m/{meeting.pk}/' not in shown


def test_a_preview_is_seen_in_both_languages_and_in_large_type(meeting, reader):
    english = reader.get(address(meeting, "ballot", language="en", type="large")).text

    assert '<html lang="en" class="large">' in english
    assert "No vote is cast" in english
    assert "?language=en&amp;type=large" in english


def test_a_nominee_sees_a_paper_of_shares(meeting, reader):
    shown = reader.get(address(meeting, "ballot", holder="nominee")).text

    assert 'name="declared"' in shown


def test_a_paper_with_gaps_is_refused_in_the_holders_words(meeting, reader):
    blank = reader.post(address(meeting, "review"))
    full = reader.post(address(meeting, "review"), ALL_FOR)

    assert "还不能提交" in blank.text
    assert "核对表决票" in full.text


def test_papers_open_from_the_preview_before_there_are_links(meeting, reader):
    content = b"%PDF-1.4 synthetic"
    paper = Document.objects.create(meeting=meeting, title="资料", content=content, size=18)

    page = reader.get(address(meeting, "landing")).text
    to = reverse("admin:ballots-paper", args=[meeting.pk, paper.pk])
    other = reverse("admin:ballots-paper", args=[meeting.pk + 1, paper.pk])

    assert f'"{to}"' in page
    assert b"".join(reader.get(to).streaming_content) == content
    assert reader.get(other).status_code == 404


def test_the_end_of_a_preview_is_no_vote_and_no_session(meeting, reader):
    reader.post(address(meeting, "done"), ALL_FOR)

    assert not Ballot.objects.of_meeting(meeting.pk).exists()
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    assert not [name for name in reader.cookies if name.startswith("voter")]


def test_a_meeting_without_motions_has_a_first_page_all_the_same(reader):
    bare = make_meeting(state="DRAFT", motions=False)

    assert reader.get(address(bare, "ballot")).status_code == 200


def test_a_specimen_holds_shares_of_every_class(meeting):
    entitlement = specimen_of(read_agenda(meeting.pk))

    assert entitlement.holder.shares == [1_000]
    assert entitlement.cast == {}


@pytest.mark.parametrize("roles", [[Role.SYSTEM], [Role.SECURITY]])
def test_who_keeps_accounts_sees_no_preview(meeting, client, roles):
    client.force_login(make_operator(roles=roles))

    assert client.get(address(meeting, "ballot")).status_code == 404
