"""Votes of other channels: a file whole or not at all, and nothing refused for a voting rule."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
import xlsxwriter
from django.core.management import CommandError, call_command
from django.utils import timezone

from ballots.importing import BadVoteFile, CannotImport, import_votes
from ballots.models import Channel, OtherVote, TallyRequest, VoteImport
from ballots.opening import ask_for_tally, recount
from meetings import lifecycle
from meetings.models import JournalEntry, Meeting
from meetings.preparing import recuse
from tests.factories import make_holder, make_meeting, make_operator

pytestmark = pytest.mark.django_db
HEADER = "证券账户,议案序号,表决意见,票数,受托股份数,同意股数,反对股数,弃权股数,表决时间,受理序号"


@pytest.fixture
def closed():
    """A closed meeting with two holders of 1,000 and 500 A shares."""
    meeting = make_meeting(now=datetime(2026, 6, 26, 11, 0, tzinfo=lifecycle.BEIJING))
    make_holder(meeting, shares=1_000)
    make_holder(meeting, shares=500)
    Meeting.objects.filter(pk=meeting.pk).update(
        state=Meeting.State.CLOSED, polls_sealed_at=timezone.now()
    )
    meeting.refresh_from_db()
    return meeting


def file_of(*rows):
    return io.BytesIO("\n".join((HEADER, *rows)).encode())


def take_in(meeting, *rows, channel=Channel.TRADING):
    return import_votes(
        meeting.pk,
        file_of(*rows),
        file_name="votes.csv",
        channel=channel,
        by="operator:1",
        now=timezone.now(),
    )


def test_votes_are_stored_with_what_they_say_and_counted(closed):
    made = take_in(
        closed,
        "A000000001,1.00,同意,,,,,,09:40:12.000,1",
        "A000000001,3.01,,1500,,,,,09:40:12.000,1",
        "A000000002,1,反对,,,,,,09:41:00,2",
    )

    assert (made.rows_read, made.votes, made.accepted, made.flagged) == (3, 2, 2, 0)
    first = OtherVote.objects.order_by("id").first()
    assert first.choices == {"1.00": "FOR", "3.00": {"3.01": 1_500}}
    assert (first.shares, first.seq, first.account_masked) == (1_000, 1, "A*****0001")
    result = recount(closed.pk)
    total = result["motions"]["1.00"]["total"]
    assert (total["for"], total["against"], total["abstain"]) == (1_000, 500, 0)
    assert result["motions"]["3.00"]["candidates"]["3.01"]["votes"] == 1_500


def test_the_same_file_again_changes_nothing(closed):
    row = "A000000001,1.00,同意,,,,,,09:40:12.000,1"
    first = take_in(closed, row)

    again = take_in(closed, row)

    assert again == first
    assert OtherVote.objects.count() == VoteImport.objects.count() == 1


def test_an_xlsx_says_the_same(closed):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate((HEADER, "A000000001,1.00,同意,,,,,,09:40:12,7")):
            for column, text in enumerate(row.split(",")):
                sheet.write_string(line, column, text)

    import_votes(
        closed.pk,
        file,
        file_name="votes.xlsx",
        channel=Channel.INTERNET,
        by="operator:1",
        now=timezone.now(),
    )

    assert OtherVote.objects.get().choices == {"1.00": "FOR"}


@pytest.mark.parametrize(
    ("row", "kind", "column"),
    [
        ("X1,1.00,同意,,,,,,09:40:00,1", "ACCOUNT_FORMAT", "证券账户"),
        ("A000000001,9.00,同意,,,,,,09:40:00,1", "UNKNOWN_MOTION", "议案序号"),
        ("A000000001,3.00,同意,,,,,,09:40:00,1", "UNKNOWN_MOTION", "议案序号"),
        ("A000000001,1.00,也许,,,,,,09:40:00,1", "OPINION", "表决意见"),
        ("A000000001,1.00,,,,,,,09:40:00,1", "OPINION", "表决意见"),
        ("A000000001,3.01,,1.5,,,,,09:40:00,1", "NOT_A_NUMBER", "票数"),
        ("A000000001,3.01,,-1,,,,,09:40:00,1", "NOT_A_NUMBER", "票数"),
        ("A000000001,1.00,同意,,,,,,25:00:00,1", "TIME", "表决时间"),
        ("A000000001,1.00,同意,,,,,,0.4027,1", "TIME", "表决时间"),
        ("A000000001,1.00,同意,,,,,,2026-13-01 09:40:00,1", "TIME", "表决时间"),
        ("A000000001,1.00,同意,,,,,,,1", "TIME", "表决时间"),
        ("A000000001,1.00,同意,,,,,,09:40:00,", "BLANK_VALUE", "受理序号"),
    ],
)
def test_a_bad_row_refuses_the_whole_file_and_says_where(closed, row, kind, column):
    good = "A000000002,1.00,同意,,,,,,09:40:00,2"

    with pytest.raises(BadVoteFile) as refusal:
        take_in(closed, good, row)

    fault = refusal.value.faults.kept[0]
    assert (fault.kind, fault.row, fault.column) == (kind, 2, column)
    assert "读取2行 = 1行无误 + 1行有误" in str(refusal.value)
    assert not VoteImport.objects.exists()
    assert not OtherVote.objects.exists()


def test_a_number_is_used_once_in_a_file_and_over_files(closed):
    take_in(closed, "A000000001,1.00,同意,,,,,,09:40:00,1")

    with pytest.raises(BadVoteFile) as again:
        take_in(closed, "A000000002,1.00,同意,,,,,,09:40:00,1")
    with pytest.raises(BadVoteFile) as twice:
        take_in(
            closed,
            "A000000001,1.00,同意,,,,,,09:40:00,5",
            "A000000002,1.00,同意,,,,,,09:41:00,5",
        )

    assert again.value.faults.counts == twice.value.faults.counts == {"REPEATED_SEQ": 1}
    assert OtherVote.objects.count() == 1


def test_a_motion_is_answered_once_in_a_vote(closed):
    row = "A000000001,1.00,同意,,,,,,09:40:00,1"

    with pytest.raises(BadVoteFile) as refusal:
        take_in(closed, row, row)

    assert refusal.value.faults.counts == {"REPEATED_MOTION": 1}


def test_a_broken_rule_is_flagged_and_never_refused(closed):
    motion = closed.motions.get(group=2)
    now = timezone.now()
    recuse(motion, account="A000000002", name="关联股东", by="operator:1", now=now)

    made = take_in(
        closed,
        "A999999999,1.00,同意,,,,,,09:40:00,1",
        "A000000001,3.01,,2001,,,,,12:00:00,2",
        "A000000002,2.00,同意,,,,,,09:40:00,3",
        "A000000001,1.00,,,1000,1000,0,0,09:40:00,4",
        "A000000001,1.00,同意,,,,,,12:00:00,5",
    )

    assert made.reasons == {
        "NOT_ON_REGISTER": 1,
        "OVER_LIMIT": 1,
        "RECUSED": 1,
        "NOT_A_NOMINEE": 1,
        "OUTSIDE_WINDOW": 1,
    }
    assert (made.accepted, made.flagged) == (0, 5)
    second = OtherVote.objects.get(seq=2)
    assert second.reasons == ["OVER_LIMIT", "OUTSIDE_WINDOW"]
    assert second.invalid == {"3.00": "OVER_LIMIT"}


def test_on_site_a_holder_may_be_admitted_without_a_vote_or_a_time(closed):
    take_in(closed, "A000000001,,,,,,,,,", channel=Channel.ONSITE)

    vote = OtherVote.objects.get()
    assert timezone.localtime(vote.voted_at, lifecycle.BEIJING).hour == 14
    total = recount(closed.pk)["motions"]["1.00"]["total"]
    assert (total["for"], total["against"], total["abstain"]) == (0, 0, 1_000)


def test_candidates_of_one_on_site_vote_stay_together_without_a_number(closed):
    take_in(
        closed,
        "A000000001,3.01,,1000,,,,,,",
        "A000000001,3.02,,1000,,,,,,",
        channel=Channel.ONSITE,
    )

    assert OtherVote.objects.get().choices == {"3.00": {"3.01": 1_000, "3.02": 1_000}}


@pytest.mark.parametrize("state", ["OPEN", "TALLIED", "CERTIFIED"])
def test_votes_come_in_between_the_close_and_the_tally(closed, state):
    Meeting.objects.update(state=state)

    with pytest.raises(CannotImport):
        take_in(closed, "A000000001,1.00,同意,,,,,,09:40:00,1")

    assert not OtherVote.objects.exists()


def test_a_tally_that_was_asked_for_must_be_asked_for_again(closed):
    ask_for_tally(closed.pk, by="operator:1", now=timezone.now())

    take_in(closed, "A000000001,1.00,同意,,,,,,09:40:00,1")

    assert not TallyRequest.objects.exists()
    assert JournalEntry.objects.filter(verb="votes.imported").count() == 1


def test_the_command_says_what_came_in_and_what_is_wrong(closed, tmp_path, capsys):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(file_of("A000000001,1.00,同意,,,,,,09:40:00,1").getvalue())
    bad.write_bytes(file_of("A000000001,9.00,同意,,,,,,09:40:00,1").getvalue())

    call_command("import_votes", closed.pk, good, channel="trading")
    with pytest.raises(CommandError, match="未导入"):
        call_command("import_votes", closed.pk, bad, channel="internet")

    said = capsys.readouterr()
    assert '"votes": 1' in said.out
    assert "UNKNOWN_MOTION" in said.err


def test_an_operator_takes_a_file_in_on_a_page(closed, client):
    client.force_login(make_operator())
    url = f"/admin/ballots/voteimport/meeting/{closed.pk}/"

    refused = client.post(
        url, {"channel": "TRADING", "file": named(file_of("A1,1.00,同意,,,,,,09:40:00,1"))}
    )
    taken = client.post(
        url,
        {"channel": "TRADING", "file": named(file_of("A000000001,1.00,同意,,,,,,09:40:00,1"))},
        follow=True,
    )

    assert refused.status_code == 422
    assert "证券账户应为" in refused.text
    assert "votes.csv" in taken.text
    assert OtherVote.objects.count() == 1


def named(file):
    file.name = "votes.csv"
    return file
