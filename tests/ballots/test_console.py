"""The secretary's pages: own meetings only, and nothing of the votes before they are counted."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from ballots.announcement_files import FORMS
from ballots.casting import cast_ballot
from ballots.charts import candidate_bars, opinion_bar
from ballots.entitlement import read_entitlement
from ballots.models import Tally
from ballots.opening import recount
from meetings import lifecycle
from meetings.agenda import CandidatePaper, MotionPaper, read_agenda
from meetings.models import JournalEntry, Meeting
from tests.factories import make_holder, make_issuer, make_meeting, make_secretary

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    meeting = make_meeting()
    cast_ballot(
        entitlement=read_entitlement(make_holder(meeting, shares=4_321).pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices={"1.00": "FOR", "2.00": "AGAINST"},
        level=1,
    )
    return meeting


@pytest.fixture
def secretary(client, meeting):
    user = make_secretary(meeting.issuer)
    client.force_login(user)
    return user


def count(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    Meeting.objects.filter(pk=meeting.pk).update(state="TALLIED")
    return Tally.objects.create(
        meeting=meeting,
        content=recount(meeting.pk),
        asked_by="operator:2",
        counted_by="operator:1",
        counted_at=timezone.now(),
    )


def page_of(meeting):
    return reverse("console:meeting", args=[meeting.pk])


def test_only_own_meetings_are_listed(client, meeting, secretary):
    other = make_meeting(issuer=make_issuer(short_name="别家公司"))

    page = client.get(reverse("console:meetings")).text

    assert meeting.issuer.short_name in page
    assert other.issuer.short_name not in page


def test_somebody_elses_meeting_is_not_found(client, secretary):
    other = make_meeting()
    count(other)

    for name, *more in (("meeting",), *(("download", form) for form in FORMS)):
        answer = client.get(reverse(f"console:{name}", args=[other.pk, *more]))
        assert answer.status_code == 404


@pytest.mark.parametrize("form", sorted(FORMS))
def test_before_the_tally_there_is_no_figure_and_no_file(client, meeting, secretary, form):
    page = client.get(page_of(meeting)).text
    download = client.get(reverse("console:download", args=[meeting.pk, form]))

    assert "4,321" not in page
    assert "4321" not in page
    assert download.status_code == 403


def test_the_page_is_the_same_whether_anybody_has_voted(client, meeting, secretary):
    silent = make_meeting(issuer=meeting.issuer)

    with_votes = client.get(page_of(meeting)).text.replace(f"/{meeting.pk}/", "/N/")
    without = client.get(page_of(silent)).text.replace(f"/{silent.pk}/", "/N/")

    def lines(text):
        return [line for line in text.split("\n") if "csrf" not in line and ":" not in line]

    assert lines(with_votes) == lines(without)


def test_after_the_tally_the_page_shows_figures_and_drawings(client, meeting, secretary):
    count(meeting)

    page = client.get(page_of(meeting)).text

    assert "4321" in page.replace(",", "")
    assert page.count('class="opinion-bar"') == 2
    assert "100.0000" in page


def test_a_download_is_a_file_and_stands_in_the_journal(client, meeting, secretary):
    count(meeting)

    answer = client.get(reverse("console:download", args=[meeting.pk, "csv"]))

    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    entry = JournalEntry.objects.get(verb="result.downloaded")
    assert (entry.actor, entry.details) == (secretary.actor, {"format": "csv"})


def test_every_motion_has_its_drawing_beside_its_table(client, meeting, secretary):
    count(meeting)

    page = client.get(page_of(meeting)).text

    for drawing, title in (("opinion-bar", "2、 议案名称"), ("candidate-bars", "3.00 ")):
        table = page.index(f"<caption>{title}")
        assert table < page.index(f'<svg class="{drawing}"', table) < page.index("<h2>", table)


def test_an_election_is_drawn_by_the_votes_of_each_and_says_who_is_elected():
    motion = MotionPaper(
        number="3.00",
        title="选举",
        kind="CUMULATIVE",
        threshold="ORDINARY",
        share_classes=frozenset("A"),
        seats=1,
        candidates=(CandidatePaper("3.01", "甲"), CandidatePaper("3.02", "乙")),
        documents=(),
    )
    votes = {"3.01": (300, "75.0000", True), "3.02": (100, "25.0000", False)}
    result = {
        "candidates": {
            number: dict(zip(("votes", "ratio", "elected"), figures, strict=True))
            for number, figures in votes.items()
        }
    }

    bars = candidate_bars(motion, result)

    assert "<title>甲 75.0000% 当选, 乙 25.0000%</title>" in bars
    assert 'class="opinion-for" y="19" width="600"' in bars
    assert 'class="opinion-abstain" y="19" width="200"' in bars


def test_a_bar_says_in_words_what_it_draws():
    figures = {"for": 3, "against": 1, "abstain": 0}
    figures |= {"for_pct": "75.0000", "against_pct": "25.0000", "abstain_pct": "0.0000"}

    bar = opinion_bar(figures)

    assert "<title>同意 75.0000%, 反对 25.0000%, 弃权 0.0000%</title>" in bar
    assert 'class="opinion-for" x="0" y="0" width="450"' in bar
    assert 'class="opinion-against" x="450" y="0" width="150"' in bar
