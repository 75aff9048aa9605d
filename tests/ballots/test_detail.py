"""The detail list: every vote on every motion, masked, and why it does not count."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from ballots.casting import cast_ballot
from ballots.detail import detail_lines
from ballots.entitlement import read_entitlement
from ballots.models import Channel
from ballots.opening import ask_for_tally, open_tally
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import Holder, JournalEntry, Motion
from meetings.preparing import recuse
from tests.ballots.test_importing import take_in
from tests.factories import make_holder, make_meeting, make_secretary

pytestmark = pytest.mark.django_db
WHOLE = {"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 600, "3.02": 400}}


def cast(holder, choices):
    cast_ballot(
        entitlement=read_entitlement(holder.pk, 0),
        agenda=read_agenda(holder.meeting_id),
        share_class=0,
        choices=choices,
        level=1,
    )


def close(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")


def lines_of(meeting):
    text = b"".join(detail_lines(meeting.pk)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def said(lines):
    """(register number, channel, motion): what was said, and why it does not count."""
    return {
        (line["名册序号"], line["渠道"], line["议案序号"]): (
            line["表决内容"],
            line["未计入原因"] or line["是否按所投计入"],
        )
        for line in lines
    }


def test_a_ballot_that_counts_has_a_line_a_motion():
    meeting = make_meeting()
    cast(make_holder(meeting, name="欧阳小明", shares=500), WHOLE)
    close(meeting)

    lines = lines_of(meeting)

    first = lines[0]
    assert first.pop("时间").startswith(f"{timezone.localtime():%Y-}")
    assert first.pop("受理序号").isdigit()
    assert first == {
        "名册序号": "1",
        "股东": "欧**明",
        "证券账户": "A*****0001",
        "股份类别": "A股",
        "股数": "500",
        "渠道": "本平台",
        "议案序号": "1.00",
        "表决内容": "同意",
        "是否按所投计入": "是",
        "未计入原因": "",
    }
    assert [line["表决内容"] for line in lines[1:]] == ["反对", "3.01 600 3.02 400"]


def test_a_vote_that_does_not_count_says_why():
    meeting = make_meeting(exclusive_policy="ABSTAIN_ALL")
    Motion.objects.create(meeting=meeting, group=4, title="方案一", exclusive_group="X")
    Motion.objects.create(meeting=meeting, group=5, title="方案二", exclusive_group="X")
    rest = {"4.00": "FOR", "5.00": "ABSTAIN"}
    first, second, third, fourth = (make_holder(meeting, shares=500) for _holder in range(4))
    cast(first, {**WHOLE, **rest})
    cast(second, {**WHOLE, **rest})
    motion = meeting.motions.get(group=2)
    recuse(motion, account="A000000002", name="关联股东", by="operator:1", now=timezone.now())
    Holder.objects.filter(pk=fourth.pk).update(kind="V")
    close(meeting)
    take_in(
        meeting,
        "A000000001,1.00,反对,,,,,,23:59:59,1",
        "A000000003,4.00,同意,,,,,,00:00:01,2",
        "A000000003,5.00,同意,,,,,,00:00:01,2",
        "A000000003,3.01,,9999,,,,,00:00:01,2",
        "A000000003,1.00,反对,,,,,,00:00:01,2",
        "A000000004,1.00,同意,,,,,,00:00:01,3",
        "A999999999,1.00,同意,,,,,,00:00:01,4",
    )
    take_in(meeting, "A000000003,,,,,,,,,", channel=Channel.ONSITE)

    found = said(lines_of(meeting))

    terminal, ours = "交易系统投票平台", "本平台"
    assert third.index == 3
    assert found["1", ours, "1.00"] == ("同意", "是")
    assert found["1", terminal, "1.00"] == ("反对", "重复表决")
    assert found["2", ours, "2.00"] == ("反对", "应回避")
    assert found["2", ours, "1.00"] == ("同意", "是")
    assert found["3", terminal, "4.00"] == ("同意", "同意互斥议案")
    assert found["3", terminal, "3.00"] == ("3.01 9999", "选举票超过可用票数")
    assert found["3", terminal, "1.00"] == ("反对", "是")
    assert found["3", "现场投票", ""] == ("出席,未表决", "是")
    assert found["4", terminal, "1.00"] == ("同意", "无表决权")
    assert found["", terminal, "1.00"] == ("同意", "账户不在名册")


def test_what_counts_in_the_list_adds_up_to_the_result():
    meeting = make_meeting()
    for shares in (500, 700, 900):
        cast(make_holder(meeting, shares=shares), {"1.00": "FOR", "2.00": "AGAINST"})
    close(meeting)
    take_in(
        meeting,
        "A000000001,1.00,反对,,,,,,00:00:01,1",
        "A000000002,1.00,反对,,,,,,23:59:59,2",
    )
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    total = open_tally(meeting.pk, by="operator:2", now=timezone.now()).content["motions"]["1.00"]

    sums = {"同意": 0, "反对": 0}
    for line in lines_of(meeting):
        if line["议案序号"] == "1.00" and line["是否按所投计入"] == "是":
            sums[line["表决内容"]] += int(line["股数"])

    assert sums == {"同意": total["total"]["for"], "反对": total["total"]["against"]}
    assert sums == {"同意": 1_600, "反对": 500}


def test_no_name_becomes_a_formula():
    meeting = make_meeting()
    holder = make_holder(meeting)
    Holder.objects.filter(pk=holder.pk).update(name_masked="=1+1")
    cast(holder, {"1.00": "FOR", "2.00": "FOR"})
    close(meeting)

    assert {line["股东"] for line in lines_of(meeting)} == {"'=1+1"}


def test_the_number_of_statements_does_not_grow_with_the_votes():
    meetings = [make_meeting(), make_meeting()]
    for meeting, number in zip(meetings, (1, 8), strict=True):
        for _holder in range(number):
            cast(make_holder(meeting), {"1.00": "FOR", "2.00": "FOR"})
        close(meeting)

    counts = []
    for meeting in meetings:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            lines_of(meeting)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_every_column_is_named_in_the_language_of_the_reader():
    meeting = make_meeting()
    cast(make_holder(meeting), WHOLE)
    close(meeting)

    with translation.override("en"):
        head = next(iter(detail_lines(meeting.pk))).decode("utf-8-sig")

    assert head.isascii()


def test_the_secretary_loads_it_down_and_it_stands_in_the_journal(client):
    meeting = make_meeting()
    cast(make_holder(meeting), {"1.00": "FOR", "2.00": "FOR"})
    close(meeting)
    secretary = make_secretary(meeting.issuer)
    client.force_login(secretary)
    address = reverse("console:detail", args=[meeting.pk])

    uncounted = client.get(address).status_code
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    open_tally(meeting.pk, by="operator:2", now=timezone.now())
    answer = client.get(address)

    assert uncounted == 404
    assert answer.streaming
    assert answer["Content-Disposition"].endswith('detail.csv"')
    assert b"".join(answer).startswith("\ufeff名册序号,股东,".encode())
    assert JournalEntry.objects.get(verb="detail.downloaded").actor == secretary.actor
