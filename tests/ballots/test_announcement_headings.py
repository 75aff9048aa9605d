"""The headings that the exchange fixes, in every form, for main board, A and B shares, and STAR."""

from __future__ import annotations

import html
import io
import re
import zipfile

import pytest
from django.urls import reverse
from django.utils import timezone
from docx import Document

from ballots import announcement
from ballots.announcement_files import FORMS
from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.opening import ask_for_tally, open_tally
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import ShareClass
from meetings.preparing import confirm_insiders
from tests.ballots.test_announcement_files import pages_of
from tests.ballots.test_results import vote
from tests.factories import make_holder, make_issuer, make_meeting, make_secretary

pytestmark = pytest.mark.django_db

MOTIONS = [
    "二、 议案审议情况",
    "(一) 非累积投票议案",
    "1、 议案名称:关于年度报告的议案",
    "审议结果:通过",
    "表决情况:",
    "2、 议案名称:关于修改公司章程的议案",
    "审议结果:不通过",
    "(二) 累积投票议案表决情况",
    "(三) 现金分红分段表决情况",
    "持股5%以上普通股股东",
    "持股1%-5%普通股股东",
    "持股1%以下普通股股东",
    "其中:市值50万以下普通股股东",
    "市值50万以上普通股股东",
    "(五) 关于议案表决的有关情况说明",
]
MAIN = [
    "本次会议是否有否决议案:有",
    "(三) 出席会议的普通股股东和恢复表决权的优先股股东及其持有股份情况",
    "1、出席会议的股东和代理人人数",
    "2、出席会议的股东所持有表决权的股份总数(股)",
    "3、出席会议的股东所持有表决权股份数占公司有表决权股份总数的比例(%)",
    "(四) 涉及重大事项,5%以下股东的表决情况",
    "A股",
]
A_AND_B = [
    *MAIN,
    "其中:A股股东人数",
    "境内上市外资股股东人数(B股)",
    "其中:A股股东持有股份总数",
    "境内上市外资股股东持有股份总数(B股)",
    "其中:A股股东持股占股份总数的比例(%)",
    "境内上市外资股股东持股占股份总数的比例(%)",
    "B股",
    "普通股合计:",
]
STAR = [
    "本次会议是否有被否决议案:有",
    "(三) 出席会议的普通股股东、特别表决权股东、恢复表决权的优先股股东及其持有表决权数量的情况",
    "1、出席会议的股东和代理人人数",
    "普通股股东人数",
    "2、出席会议的股东所持有的表决权数量",
    "普通股股东所持有表决权数量",
    "3、出席会议的股东所持有表决权数量占公司表决权数量的比例(%)",
    "普通股股东所持有表决权数量占公司表决权数量的比例(%)",
    "(四) 涉及重大事项,应说明5%以下股东的表决情况",
    "普通股",
]
BOARDS = {
    "main": ("600737", "", MAIN),
    "A+B": ("600648", "B", A_AND_B),
    "STAR": ("688737", "", STAR),
}
# The columns of 非累积投票议案, 累积投票议案, 现金分红 and 5%以下股东, as the form heads them.
OPINIONS = ("同意", "", "反对", "", "弃权", "")
COLUMNS = ("票数", "比例(%)") * 3
HEADS = {
    "(一) 非累积投票议案": (("股东类型", *OPINIONS), ("", *COLUMNS)),
    "(二) 累积投票议案表决情况": (
        ("议案序号", "议案名称", "得票数", "得票数占出席会议有效表决权的比例(%)", "是否当选"),
    ),
    "(三) 现金分红分段表决情况": (("", *OPINIONS), ("", *COLUMNS)),
    "(四)": (("议案序号", "议案名称", *OPINIONS), ("", "", *COLUMNS)),
}


@pytest.fixture(params=BOARDS)
def board(request):
    """A counted meeting of a company of this board, with the headings of its announcement."""
    code, second_class, headings = BOARDS[request.param]
    meeting = make_meeting(issuer=make_issuer(security_code=code), closing_price="10")
    if second_class:
        ShareClass.objects.create(meeting=meeting, number=1, code=second_class, capital=10**9)
    meeting.motions.filter(group=1).update(is_dividend=True, is_for_minority_count=True)
    confirm_insiders(meeting.pk, by="operator:1", now=timezone.now())
    vote(meeting, 9_000, two="AGAINST", three={"3.01": 9_000})
    if second_class:
        vote(meeting, 1_000, share_class=1)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    return open_tally(meeting.pk, by="operator:2", now=timezone.now()), headings


def texts_of(tally, form, client):
    """Every text of a form, cell by cell; of a PDF, the text of its pages."""
    if form == "html":
        client.force_login(make_secretary(tally.meeting.issuer))
        page = client.get(reverse("console:meeting", args=[tally.meeting_id])).text
        return [html.unescape(text).strip() for text in re.split(r"<[^>]*>", page)]
    document = FORMS[form].write(read_agenda(tally.meeting_id), tally)
    if form == "docx":
        paper = Document(io.BytesIO(document))
        cells = [c.text for t in paper.tables for row in t.rows for c in row.cells]
        return [*cells, *(paragraph.text for paragraph in paper.paragraphs)]
    if form == "xlsx":
        strings = zipfile.ZipFile(io.BytesIO(document)).read("xl/sharedStrings.xml").decode()
        return [html.unescape(text) for text in re.findall(r"<t[^>]*>([^<]*)</t>", strings)]
    return ["".join(pages_of(document)).replace("\n", "")]


@pytest.mark.parametrize("form", ["docx", "xlsx", "html"])
def test_every_heading_stands_as_the_exchange_writes_it(board, form, client):
    tally, headings = board

    texts = texts_of(tally, form, client)

    assert [heading for heading in [*headings, *MOTIONS] if heading not in texts] == []


def test_the_pdf_has_every_heading(board, client):
    tally, headings = board

    [text] = texts_of(tally, "pdf", client)

    assert [heading for heading in [*headings, *MOTIONS] if heading not in text] == []


def test_the_tables_are_headed_as_in_the_form(board):
    tally, _headings = board

    sections = announcement.sections(read_agenda(tally.meeting_id), tally.content)

    for title, head in HEADS.items():
        tables = [t for s in sections if s.title.startswith(title) for t in s.tables]
        assert tables
        assert {table.head for table in tables} == {head}


def test_a_part_of_the_attendance_is_of_all_shares_so_that_the_parts_add_up():
    meeting = make_meeting(issuer=make_issuer(security_code="600648"))
    ShareClass.objects.create(meeting=meeting, number=1, code="B", capital=10**9)
    vote(meeting, 300_000_000)
    vote(meeting, 100_000_000, share_class=1)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    tally = open_tally(meeting.pk, by="operator:2", now=timezone.now())

    sections = announcement.sections(read_agenda(meeting.pk), tally.content)

    rows = dict(sections[1].tables[0].rows)
    assert rows[MAIN[4]] == "20.0000"
    assert rows["其中:A股股东持股占股份总数的比例(%)"] == "15.0000"
    assert rows["境内上市外资股股东持股占股份总数的比例(%)"] == "5.0000"
    assert tally.content["attendance"]["classes"]["A"]["ratio"] == "30.0000"


def test_sections_without_content_are_left_out_and_the_others_renumbered():
    meeting = make_meeting(motions=False)
    meeting.motions.create(group=1, title="逐项表决", kind="HEADING")
    meeting.motions.create(group=1, item=1, title="发行数量")
    cast_ballot(
        entitlement=read_entitlement(make_holder(meeting).pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices={"1.01": "FOR"},
        level=1,
    )
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    tally = open_tally(meeting.pk, by="operator:2", now=timezone.now())

    sections = announcement.sections(read_agenda(meeting.pk), tally.content)

    assert [section.title for section in sections[2:]] == ["(一) 非累积投票议案", "计票附表"]
    titles = [table.title for table in sections[2].tables]
    assert titles == ["1、 逐项表决", "1.01、 议案名称:发行数量"]
    assert sections[0].tables[0].lines == ("本次会议是否有否决议案:无",)
