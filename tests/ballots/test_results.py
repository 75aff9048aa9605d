"""The tally and the result: right to the last share, and for nobody before the seal."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.utils import timezone

from ballots import announcement
from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.models import Tally
from ballots.opening import NotAsked, NotClosed, SamePerson, ask_for_tally, open_tally
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import Meeting, ShareClass
from meetings.preparing import confirm_insiders, recuse
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db


def vote(meeting, shares, one="FOR", two="FOR", three=None, *, share_class=0):
    holder = make_holder(meeting, shares=shares)
    if share_class:
        type(holder).objects.filter(pk=holder.pk).update(shares=[0] * share_class + [shares])
    choices = {"1.00": one, "2.00": two} | ({"3.00": three} if three else {})
    return cast_ballot(
        entitlement=read_entitlement(holder.pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=share_class,
        choices=choices,
        level=1,
    )


def close_and_count(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    return open_tally(meeting.pk, by="operator:2", now=timezone.now()).content


def test_nothing_is_counted_before_the_polls_are_sealed():
    meeting = make_meeting()
    vote(meeting, 100)

    with pytest.raises(NotClosed):
        ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    with pytest.raises(NotClosed):
        open_tally(meeting.pk, by="operator:2", now=timezone.now())
    with pytest.raises(CommandError, match="投票截止前"):
        call_command("tally", meeting.pk)

    assert not Tally.objects.exists()
    assert Meeting.objects.get().state == "OPEN"


@pytest.mark.parametrize(
    ("shares_for", "policy", "outcome"),
    [
        (50_000, "GT_HALF", "rejected"),
        (50_001, "GT_HALF", "passed"),
        (50_000, "GE_HALF", "passed"),
        (49_999, "GE_HALF", "rejected"),
    ],
)
def test_an_ordinary_resolution_needs_more_than_half(shares_for, policy, outcome):
    meeting = make_meeting(ordinary_threshold=policy)
    vote(meeting, shares_for, "FOR")
    vote(meeting, 30_000, "AGAINST")
    vote(meeting, 70_000 - shares_for, "ABSTAIN")

    motion = close_and_count(meeting)["motions"]["1.00"]

    assert motion["outcome"] == outcome
    assert motion["total"]["for"] == shares_for
    assert motion["total"]["against"] == 30_000
    assert motion["total"]["abstain"] == 70_000 - shares_for


@pytest.mark.parametrize(("against", "outcome"), [(500, "passed"), (501, "rejected")])
def test_a_special_resolution_needs_two_thirds_with_the_bound(against, outcome):
    meeting = make_meeting()
    vote(meeting, 1_000, two="FOR")
    vote(meeting, against, two="AGAINST")

    motion = close_and_count(meeting)["motions"]["2.00"]

    assert motion["outcome"] == outcome


def test_attendance_is_of_the_shares_that_have_a_vote():
    meeting = make_meeting()
    ShareClass.objects.update(capital=1_100_000, voteless_shares=100_000)
    vote(meeting, 12_345)
    vote(meeting, 1)

    attendance = close_and_count(meeting)["attendance"]

    figures = {"holders": 2, "votes": 12_346, "ratio": "1.2346"}
    assert attendance == {**figures, "classes": {"A": figures}}


def test_a_recused_holder_leaves_the_motion_and_stays_in_the_attendance():
    meeting = make_meeting()
    related = vote(meeting, 400, "FOR", "FOR", {"3.01": 400})
    vote(meeting, 300, "FOR", "AGAINST", {"3.02": 600})
    now = timezone.now()
    for motion in meeting.motions.all():
        if motion.group != 1:
            recuse(motion, account="A000000001", name="关联股东", by="operator:1", now=now)

    content = close_and_count(meeting)

    assert content["attendance"]["votes"] == 700
    assert content["motions"]["1.00"]["total"]["for"] == 700
    second = content["motions"]["2.00"]
    assert (second["total"]["for"], second["total"]["against"]) == (0, 300)
    assert second["total"]["abstain"] == 0
    taken_out = [{"holder": related.holder_id, "reason": "RECUSED", "votes": 400}]
    assert second["excluded"] == taken_out
    third = content["motions"]["3.00"]
    assert third["present"] == 300
    assert {n: c["votes"] for n, c in third["candidates"].items()} == {
        "3.01": 0,
        "3.02": 600,
        "3.03": 0,
    }
    assert third["excluded"] == taken_out


def test_an_election_goes_by_rank_and_half_of_those_present():
    meeting = make_meeting()
    vote(meeting, 1_000, three={"3.01": 1_400, "3.02": 600})
    vote(meeting, 100, three={"3.03": 200})

    election = close_and_count(meeting)["motions"]["3.00"]

    assert election["present"] == 1_100
    assert election["candidates"]["3.01"] == {
        "votes": 1_400,
        "ratio": "127.2727",
        "elected": True,
        "tie": False,
    }
    assert election["candidates"]["3.02"]["elected"] is True
    assert (election["elected"], election["shortfall"]) == (2, 0)


def test_nobody_tied_for_the_last_seat_is_elected():
    meeting = make_meeting()
    vote(meeting, 500, three={"3.01": 400, "3.02": 600})
    vote(meeting, 500, three={"3.01": 400, "3.03": 600})

    election = close_and_count(meeting)["motions"]["3.00"]

    tied = {number for number, figures in election["candidates"].items() if figures["tie"]}
    assert tied == {"3.02", "3.03"}
    assert election["candidates"]["3.01"]["elected"] is True
    assert (election["elected"], election["shortfall"]) == (1, 1)


def test_a_and_b_shares_are_counted_apart_and_together():
    meeting = make_meeting()
    ShareClass.objects.create(meeting=meeting, number=1, code="B", capital=1_000_000)
    vote(meeting, 900, "FOR")
    vote(meeting, 100, "AGAINST")
    vote(meeting, 50, "FOR", share_class=1)
    vote(meeting, 40, "AGAINST", share_class=1)
    vote(meeting, 10, "ABSTAIN", share_class=1)

    motion = close_and_count(meeting)["motions"]["1.00"]

    assert motion["classes"]["A"]["for_pct"] == "90.0000"
    assert motion["classes"]["B"]["for_pct"] == "50.0000"
    total = motion["total"]
    assert (total["for"], total["against"], total["abstain"]) == (950, 140, 10)
    assert (total["for_pct"], total["against_pct"]) == ("86.3636", "12.7272")
    assert total["abstain_pct"] == "0.9092"


def test_sums_beyond_a_double_are_exact():
    meeting = make_meeting()
    for shares in (999_999_999_999_999, 999_999_999_999_998, 999_999_999_999_997):
        vote(meeting, shares)

    total = close_and_count(meeting)["motions"]["1.00"]["total"]

    assert total["for"] == 2_999_999_999_999_994


def test_the_tally_is_taken_once():
    meeting = make_meeting()
    vote(meeting, 100)
    close_and_count(meeting)

    with pytest.raises(lifecycle.CannotAdvance):
        open_tally(meeting.pk, by="operator:3", now=timezone.now())

    assert Tally.objects.count() == 1


def test_whoever_asks_for_the_tally_cannot_open_it():
    meeting = make_meeting()
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    now = timezone.now()

    with pytest.raises(NotAsked):
        open_tally(meeting.pk, by="operator:1", now=now)
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    with pytest.raises(SamePerson):
        open_tally(meeting.pk, by="operator:1", now=now)

    assert not Tally.objects.exists()
    assert Meeting.objects.get().state == "CLOSED"


def test_a_meeting_without_ballots_adopts_nothing():
    motions = close_and_count(make_meeting())["motions"]

    assert motions["1.00"]["outcome"] == "rejected"
    assert motions["1.00"]["total"]["for_pct"] == "0.0000"
    assert motions["3.00"]["elected"] == 0


def test_the_downloads_hold_the_same_figures_and_no_formulas():
    meeting = make_meeting()
    meeting.motions.filter(group=1).update(title='=HYPERLINK("http://example.com")')
    vote(meeting, 1_234)
    content = close_and_count(meeting)
    agenda = read_agenda(meeting.pk)

    text = announcement.as_csv(agenda, content).decode("utf-8-sig")
    book = zipfile.ZipFile(io.BytesIO(announcement.as_xlsx(agenda, content)))

    rows = list(csv.reader(io.StringIO(text)))
    assert ['1、 议案名称:=HYPERLINK("http://example.com")'] in rows
    assert any("1234" in row for row in rows)
    sheets = [book.read(name).decode() for name in book.namelist() if "sheets/sheet" in name]
    assert len(sheets) == 6
    assert not any("<f>" in sheet for sheet in sheets)
    assert any("<v>1234</v>" in sheet for sheet in sheets)


@pytest.mark.parametrize("form", ["json", "csv", "xlsx", "docx", "pdf"])
def test_the_command_writes_every_format(form, tmp_path):
    meeting = make_meeting()
    vote(meeting, 100)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    call_command("tally", meeting.pk, format=form, out=tmp_path / "result")

    assert (tmp_path / "result").stat().st_size > 100
    assert Meeting.objects.get().state == "TALLIED"


def test_a_recount_agrees_until_something_was_tampered_with(capsys):
    meeting = make_meeting()
    vote(meeting, 100)
    close_and_count(meeting)

    call_command("recount", meeting.pk)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ballots_ballot DISABLE TRIGGER append_only")
        cursor.execute("UPDATE ballots_ballot SET shares = 101")

    assert "agrees" in capsys.readouterr().out
    with pytest.raises(CommandError, match="attendance, motions"):
        call_command("recount", meeting.pk)


def test_a_result_is_never_changed():
    meeting = make_meeting()
    vote(meeting, 100)
    close_and_count(meeting)

    with pytest.raises(ProgrammingError, match="append-only"):
        Tally.objects.update(counted_by="operator:9")


def test_the_announcement_has_the_exchanges_tables():
    meeting = make_meeting(closing_price="10")
    ShareClass.objects.create(meeting=meeting, number=1, code="B", capital=1_000)
    meeting.motions.filter(group=1).update(is_dividend=True, is_for_minority_count=True)
    meeting.motions.filter(group=3).update(is_for_minority_count=True)
    confirm_insiders(meeting.pk, by="operator:1", now=timezone.now())
    vote(meeting, 1_000, three={"3.01": 2_000})

    content = close_and_count(meeting)

    sections = {s.title: s.tables for s in announcement.sections(read_agenda(meeting.pk), content)}
    assert list(sections)[2:7] == [
        "(一) 非累积投票议案",
        "(二) 累积投票议案表决情况",
        "(三) 现金分红分段表决情况",
        "(四) 涉及重大事项,5%以下股东的表决情况",
        "(五) 关于议案表决的有关情况说明",
    ]
    names = [row[0] for row in sections["(一) 非累积投票议案"][0].rows]
    assert names == ["A股", "B股", "普通股合计:"]
    small = sections["(三) 现金分红分段表决情况"][0].rows[3]
    assert small[:3] == ("其中:市值50万以下普通股股东", 1_000, "100.0000")
    assert [row[0] for row in sections["(四) 涉及重大事项,5%以下股东的表决情况"][0].rows] == [
        "1",
        "3.01",
        "3.02",
        "3.03",
    ]


def test_the_announcement_names_who_had_to_recuse_itself_voted_or_not():
    meeting = make_meeting()
    vote(meeting, 1_000)
    vote(meeting, 500)
    second = meeting.motions.get(group=2)
    now = timezone.now()
    for account, name in (
        ("A000000001", "关联股东甲"),
        ("A000000009", "关联股东乙"),
        ("B000000009", "关联股东乙"),
    ):
        recuse(second, account=account, name=name, by="operator:1", now=now)

    content = close_and_count(meeting)

    sections = {s.title: s.tables for s in announcement.sections(read_agenda(meeting.pk), content)}
    facts = dict(sections["(三) 关于议案表决的有关情况说明"][0].rows)
    assert facts["议案2.00应回避表决的关联股东名称"] == "关联股东甲、关联股东乙"
    assert facts["有关联股东回避而剔除表决的议案"] == "2.00"
    assert not any(name.startswith("议案1.00") for name in facts)


def test_a_star_company_counts_votes_not_shares():
    meeting = make_meeting()
    ShareClass.objects.create(
        meeting=meeting, number=1, code="SVR", capital=1_000, votes_per_share=10
    )
    vote(meeting, 1_000)
    vote(meeting, 100, share_class=1)

    content = close_and_count(meeting)

    agenda = read_agenda(meeting.pk)
    attendance = dict(announcement.sections(agenda, content)[1].tables[0].rows)
    assert attendance["2、出席会议的股东所持有的表决权数量"] == 2_000
    assert attendance["特别表决权股东所持有表决权数量"] == 1_000
    assert content["motions"]["1.00"]["total"]["for"] == 2_000
