"""What a secretary does: approve the agenda, hand in the votes of the room, see the conflicts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.models import VoteImport
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import Document, JournalEntry, Meeting
from tests.factories import make_calendar, make_holder, make_meeting, make_secretary

pytestmark = pytest.mark.django_db
HEADER = "证券账户,议案序号,表决意见,票数,表决时间,受理序号"


@pytest.fixture
def ahead(client):
    """A meeting still to come, and its secretary signed in."""
    make_calendar()
    now = timezone.now()
    meeting = make_meeting(
        state="REGISTER_LOADED",
        polls_open_at=now + timedelta(days=3),
        polls_close_at=now + timedelta(days=4),
        meeting_date=timezone.localdate(now) + timedelta(days=3),
    )
    client.force_login(make_secretary(meeting.issuer))
    return meeting


@pytest.fixture
def closed(client):
    """A closed meeting: holder 1 voted here on 1.00, holder 2 not at all."""
    meeting = make_meeting()
    first = make_holder(meeting, shares=1_000)
    make_holder(meeting, shares=500, name="李小四")
    cast_ballot(
        entitlement=read_entitlement(first.pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices={"1.00": "FOR", "2.00": "FOR"},
        level=1,
    )
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    client.force_login(make_secretary(meeting.issuer))
    return meeting


def url(name, meeting, *more):
    return reverse(f"console:{name}", args=[meeting.pk, *more])


def hand_in(client, meeting, *rows, name="onsite.csv"):
    content = "\n".join((HEADER, *rows)).encode()
    return client.post(
        url("onsite", meeting), {"file": SimpleUploadedFile(name, content)}, follow=True
    )


# --- The agenda --------------------------------------------------------------------------------


def test_the_agenda_is_shown_as_holders_will_read_it_and_approved(client, ahead):
    page = client.get(url("agenda", ahead)).text
    listed = client.get(reverse("console:meetings")).text
    shown = read_agenda(ahead.pk).fingerprint.hex()

    done = client.post(url("agenda", ahead), {"fingerprint": shown}, follow=True).text

    for words in ("关于年度报告的议案", "特别决议", "候选人：甲、乙、丙", "待确认", shown):
        assert words in page
    assert "待确认" in listed
    assert "已确认" in done
    assert "确认议程无误" not in done
    assert JournalEntry.objects.get(verb="agenda.approved").actor.startswith("secretary:")


def test_the_list_of_meetings_says_by_when_and_what_is_overdue(client, ahead):
    in_time = client.get(reverse("console:meetings")).text
    Meeting.objects.update(meeting_date=timezone.localdate() - timedelta(days=1))

    overdue = client.get(reverse("console:meetings")).text

    for page, is_overdue in ((in_time, False), (overdue, True)):
        assert "16:00" in page
        assert ("已逾期" in page) is is_overdue


def test_an_agenda_that_changed_meanwhile_is_shown_again(client, ahead):
    shown = read_agenda(ahead.pk).fingerprint.hex()
    ahead.motions.filter(group=1).update(title="关于别的事项的议案")

    answer = client.post(url("agenda", ahead), {"fingerprint": shown})

    assert answer.status_code == 409
    assert "请重新核对" in answer.text
    assert "关于别的事项的议案" in answer.text
    assert not JournalEntry.objects.filter(verb="agenda.approved").exists()


def test_a_paper_may_be_read_before_the_invitation_by_the_secretary_only(client, ahead):
    paper = Document.objects.create(
        meeting=ahead, title="年度报告", content=b"%PDF-1.7 x", size=10, sha256=""
    )

    own = client.get(url("document", ahead, paper.pk))
    page = client.get(url("agenda", ahead)).text
    public = client.get(reverse("ballots:document", args=[ahead.pk, paper.pk]))

    assert own.content == b"%PDF-1.7 x"
    assert url("document", ahead, paper.pk) in page
    assert public.status_code == 404


# --- The votes of the room ---------------------------------------------------------------------


def test_before_the_close_nothing_is_handed_in(client, ahead):
    for answer in (client.get(url("onsite", ahead)), hand_in(client, ahead)):
        assert answer.status_code == 404
    assert not VoteImport.objects.exists()


def test_votes_of_the_room_come_in_and_conflicts_name_the_winner(client, closed):
    page = hand_in(
        client,
        closed,
        "A000000001,1,反对,,,",
        "A000000002,1,同意,,,",
    ).text

    assert VoteImport.objects.get().imported_by.startswith("secretary:")
    assert "onsite.csv" in page
    assert "张*三" in page
    assert "李*四" not in page
    row = page.partition("张*三")[2].partition("</tr>")[0]
    winner, loser = row.split("<b>")[1].split("</b>")[0], row.rpartition("<td>")[2]
    assert {winner, loser.partition("<br>")[0]} == {"本平台", "现场投票"}
    assert "1.00" in row
    assert "2.00" not in row


def test_a_bad_file_is_refused_whole_with_its_lines(client, closed):
    answer = hand_in(client, closed, "A000000001,1,好,,,", "A000000002,1,同意,,,")

    assert answer.status_code == 422
    assert "表决意见" in answer.text
    assert "读取2行" in answer.text
    assert not VoteImport.objects.exists()


def test_without_a_file_the_page_says_so(client, closed):
    answer = client.post(url("onsite", closed))

    assert answer.status_code == 422
    assert "请选择现场投票文件" in answer.text


def test_once_counted_nothing_more_comes_in(client, closed):
    Meeting.objects.filter(pk=closed.pk).update(state="TALLIED")

    page = client.get(url("onsite", closed)).text
    answer = hand_in(client, closed, "A000000001,1,反对,,,")

    assert 'type="file"' not in page
    assert answer.status_code == 422
    assert not VoteImport.objects.exists()


def test_the_page_of_a_meeting_leads_everywhere(client, closed):
    Meeting.objects.filter(pk=closed.pk).update(invited_by="operator:2")

    page = client.get(url("meeting", closed)).text

    for name in ("console:agenda", "console:onsite", "notifications:reach", "ballots:log"):
        assert reverse(name, args=[closed.pk]) in page
    reached = client.get(reverse("notifications:reach", args=[closed.pk]))
    assert "在册股东" in reached.text
