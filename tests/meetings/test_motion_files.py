"""Files of motions: a table or the exchanges' XML becomes an agenda, or every fault is named."""

from __future__ import annotations

import hashlib
import io

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from meetings.drafting import (
    AgendaFrozen,
    MotionDraft,
    MotionInUse,
    copy_meeting,
    drafts_of,
    put_agenda,
)
from meetings.models import Document, Meeting, Motion
from meetings.motion_files import HEADERS, read_table
from meetings.motion_xml import read_xml
from tests.factories import make_issuer, make_meeting, make_operator

NOW = timezone.now()
ROWS = (
    ("序号", "议案名称", "类型", "决议类型", "应选人数", "候选人", "中小投资者单独计票"),
    ("1", "关于年度报告的议案", "", "", "", "", "是"),
    ("3.00", "关于回购股份方案的议案", "总标题", "", "", "", ""),
    ("3.01", "回购股份的目的", "", "特别决议", "", "", ""),
    ("", "关于选举独立董事的议案", "", "", "2", "甲、乙、丙", ""),
)
XML = """<?xml version="1.0" encoding="{encoding}"?>
<evoteparams>
  <company><UnderlyingSecurityID>000001</UnderlyingSecurityID>
    <votelist><vote><ProposalID>1</ProposalID><ProposalName>别家的议案</ProposalName><ProposalType>P</ProposalType></vote></votelist>
  </company>
  <company><UnderlyingSecurityID>600001</UnderlyingSecurityID><CompanySymbol>虚构</CompanySymbol>
    <MeetingSeq>1</MeetingSeq><MeetingDesc>2026年第一次临时股东会</MeetingDesc>
    <votelist>
      <vote><ProposalID>100</ProposalID><ProposalName>总议案</ProposalName><ProposalType>P</ProposalType></vote>
      <vote><ProposalID>1</ProposalID><ProposalName>关于年度报告的议案</ProposalName><ProposalType>P</ProposalType>
        <vrolelist><ShareHolderRole>A</ShareHolderRole></vrolelist></vote>
      <vote><ProposalID>2.00</ProposalID><ProposalName>关于发行方案的议案</ProposalName><ProposalType>P</ProposalType></vote>
      <vote><ProposalID>2.01</ProposalID><ProposalName>发行数量</ProposalName><ProposalType>P</ProposalType></vote>
      <vote><ProposalID>10.00</ProposalID><ProposalName>关于选举董事的议案</ProposalName><ProposalType>L</ProposalType><ElectionNum>1</ElectionNum></vote>
      <vote><ProposalID>10.01</ProposalID><ProposalName>甲</ProposalName><ProposalType>L</ProposalType></vote>
      <vote><ProposalID>10.02</ProposalID><ProposalName>乙</ProposalName><ProposalType>L</ProposalType></vote>
    </votelist>
  </company>
</evoteparams>
"""


def sheet(*rows):
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content)
    table = workbook.add_worksheet()
    for at, row in enumerate(rows):
        table.write_row(at, 0, row)
    workbook.close()
    content.seek(0)
    return content


def read(*rows):
    return read_table(sheet(*rows), file_name="motions.xlsx")


def xml(text=XML, *, encoding="utf-8"):
    return io.BytesIO(text.replace("{encoding}", encoding).encode(encoding))


def control_of(content, **changes):
    facts = {
        "size": len(content),
        "md5": hashlib.md5(content).hexdigest(),
        "companycount": 2,
        "votecount": 8,
    } | changes
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in facts.items())
    return io.BytesIO(f"<vd>{inner}</vd>".encode())


def numbers(drafts):
    return [(draft.number, str(draft.kind)) for draft in drafts]


def test_a_table_becomes_an_agenda_in_order():
    found = read(*ROWS)

    assert found.faults == []
    assert numbers(found.drafts) == [
        ("1.00", "PLAIN"),
        ("3.00", "HEADING"),
        ("3.01", "PLAIN"),
        ("4.00", "CUMULATIVE"),
    ]
    assert found.drafts[0].is_for_minority_count
    assert found.drafts[2].threshold == "SPECIAL"
    assert (found.drafts[3].seats, found.drafts[3].candidates) == (2, ("甲", "乙", "丙"))


OF_HOLDERS = ("序号", "议案名称", "提案人", "提案股东", "董事会意见")


def test_a_table_says_who_proposed_a_motion_and_what_the_board_says_of_it():
    found = read(
        OF_HOLDERS,
        ("1", "关于提高分红的议案", "股东", "甲集团(持股3.20%)", "董事会建议投反对票。"),
        ("2", "关于聘任审计机构的议案", "审计委员会", "", ""),
        ("3", "关于年度报告的议案", "", "", ""),
    )

    assert found.faults == []
    assert [(d.proposer, d.proposer_name, d.board_opinion) for d in found.drafts] == [
        ("HOLDERS", "甲集团(持股3.20%)", "董事会建议投反对票。"),
        ("AUDITORS", "", ""),
        ("BOARD", "", ""),
    ]


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        (("经理", "", ""), "提案人", "只能是"),
        (("股东", "", ""), "提案股东", "须填写提案股东"),
        (("监事会", "甲集团", ""), "提案股东", "否则留空"),
        (("", "", "同意"), "董事会意见", "董事会自己的提案"),
        (("股东", "甲" * 121, ""), "提案股东", "120"),
        (("股东", "甲集团", "否" * 301), "董事会意见", "300"),
    ],
)
def test_a_proposer_that_does_not_fit_is_a_fault(cells, column, reason):
    found = read(OF_HOLDERS, ("1", "议案", *cells))

    assert [fault.column for fault in found.faults] == [column]
    assert reason in found.faults[0].reason
    assert found.drafts == []


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (("1.1.1", "议案"), "序号", "序号写作"),
        (("1", ""), "议案名称", "须有名称"),
        (("1", "议案", "大议案"), "类型", "只能是"),
        (("1", "议案", "", "", "3"), "应选人数", "只有累积投票议案"),
        (("1", "选举", "累积投票议案", "", "", "甲"), "应选人数", "须填写应选人数"),
        (("1.01", "选举", "", "", "1", "甲"), "序号", "占用整个序号"),
        (("1", "选举", "", "", "1", "甲、甲"), "候选人", "重复"),
        (("1", "议案", "", "", "", "", "也许"), "中小投资者单独计票", "是"),
    ],
)
def test_a_fault_names_row_and_column_and_gives_no_motion(row, column, reason):
    found = read(ROWS[0], ("9", "没有错的议案"), row)

    assert [(fault.row, fault.column) for fault in found.faults] == [(3, column)]
    assert reason in found.faults[0].reason
    assert found.drafts == []


def test_two_motions_with_one_number_and_one_below_no_heading_are_named():
    twice = read(ROWS[0], ("1", "甲"), ("1.00", "乙"))
    below = read(ROWS[0], ("1", "甲"), ("1.01", "乙"))
    alone = read(ROWS[0], ("2.00", "总", "总标题"))

    assert "重复" in twice.faults[0].reason
    assert "总标题" in below.faults[0].reason
    assert "没有逐项表决" in alone.faults[0].reason


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"not a zip", "motions.xlsx", "格式"),
        (b"x" * (2 << 20 | 1), "motions.csv", "2MB"),
        (b"1", "motions.pdf", "XLSX"),
        ("甲,乙\n1,2\n".encode(), "motions.csv", "缺少这一列"),
    ],
)
def test_what_is_no_table_of_motions_is_refused(content, name, reason):
    found = read_table(io.BytesIO(content), file_name=name)

    assert reason in found.faults[0].reason
    assert found.drafts == []


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_the_interchange_xml_becomes_the_agenda_of_its_company(encoding):
    content = xml(encoding=encoding)

    found = read_xml(content, security_code="600001", control=control_of(content.getvalue()))

    assert found.faults == []
    assert numbers(found.drafts) == [
        ("1.00", "PLAIN"),
        ("2.00", "HEADING"),
        ("2.01", "PLAIN"),
        ("10.00", "CUMULATIVE"),
    ]
    assert found.drafts[3].candidates == ("甲", "乙")
    assert any("总议案" in remark for remark in found.remarks)
    assert any("ShareHolderRole" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<evoteparams>", "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///x'>]><evoteparams>", "DOCTYPE"),
        ("</evoteparams>", "", "不完整"),
        ("<ElectionNum>1</ElectionNum>", "", "应选人数"),
        ("<ProposalType>L</ProposalType><El", "<ProposalType>X</ProposalType><El", "只能是P"),
        ("<ProposalID>2.01", "<ProposalID>2.00", "重复"),
        ("600001", "600002", "没有本公司"),
        ("000001", "600001", "不止一次"),
        ("<votelist>", "<a>" * 20 + "</a>" * 20 + "<votelist>", "嵌套过深"),
    ],
)
def test_a_doubtful_xml_gives_no_motion(old, new, reason):
    found = read_xml(xml(XML.replace(old, new)), security_code="600001")

    assert any(reason in fault.reason for fault in found.faults)
    assert found.drafts == []


@pytest.mark.parametrize("changed", [{"size": 1}, {"md5": "0" * 32}, {"votecount": 7}])
def test_a_file_that_its_control_file_contradicts_is_refused(changed):
    content = xml()
    control = control_of(content.getvalue(), **changed)

    found = read_xml(content, security_code="600001", control=control)

    assert [fault.column for fault in found.faults] == list(changed)
    assert found.drafts == []


@pytest.mark.django_db
def test_an_agenda_is_replaced_whole_and_papers_stay_with_their_numbers():
    meeting = make_meeting(state="DRAFT")
    first = meeting.motions.get(group=1)
    Document.objects.create(meeting=meeting, motion=first, title="全文", content=b"", size=0)

    put_agenda(
        meeting.pk,
        [MotionDraft(1, 0, "新的一"), MotionDraft(5, 0, "新的五")],
        by="operator:1",
        now=NOW,
    )

    titles = meeting.motions.order_by("group").values_list("group", "title")
    assert list(titles) == [(1, "新的一"), (5, "新的五")]
    assert Document.objects.get().motion_id == first.pk
    assert meeting.journal.filter(verb="agenda.imported").count() == 1


@pytest.mark.django_db
def test_a_motion_with_papers_does_not_go_away_unseen():
    meeting = make_meeting(state="DRAFT")
    motion = meeting.motions.get(group=2)
    Document.objects.create(meeting=meeting, motion=motion, title="全文", content=b"", size=0)
    before = drafts_of(meeting)

    with pytest.raises(MotionInUse, match=r"2\.00"):
        put_agenda(meeting.pk, [MotionDraft(1, 0, "一")], by="operator:1", now=NOW)

    assert drafts_of(meeting) == before


@pytest.mark.django_db
def test_a_confirmed_agenda_is_not_replaced():
    meeting = make_meeting(state="MOTIONS_CONFIRMED")

    with pytest.raises(AgendaFrozen):
        put_agenda(meeting.pk, [MotionDraft(1, 0, "一")], by="operator:1", now=NOW)

    assert meeting.motions.count() == 3


@pytest.mark.django_db
def test_a_copy_takes_motions_and_rules_over_and_no_days_keys_or_papers():
    source = make_meeting(state="PUBLISHED", is_rehearsal=False, pct_policy="HALF_UP")
    of_holders = {"proposer": "HOLDERS", "proposer_name": "甲集团", "board_opinion": "不同意"}
    source.motions.filter(group=1).update(**of_holders)
    Document.objects.create(meeting=source, title="资料", content=b"", size=0)
    day = timezone.localdate()

    made = copy_meeting(
        source.pk,
        kind=Meeting.Kind.ANNUAL,
        title="2027年年度股东会",
        meeting_date=day,
        record_date=day,
        notice_date=None,
        is_rehearsal=True,
        by="operator:1",
        now=NOW,
    )

    made = Meeting.objects.get(pk=made.pk)
    assert (made.state, made.pct_policy, made.issuer) == ("DRAFT", "HALF_UP", source.issuer)
    assert drafts_of(made) == drafts_of(source)
    assert made.motions.filter(group=1, **of_holders).exists()
    assert [c.code for c in made.share_classes.all()] == ["A"]
    assert not made.documents.exists()
    assert not made.registers.exists()
    assert made.journal.filter(verb="meeting.copied", details__source=source.pk).exists()
    assert timezone.localtime(made.polls_open_at).strftime("%H:%M") == "09:15"


@pytest.fixture
def operator(client, db):
    client.force_login(make_operator())
    return client


def upload(client, meeting, content, name="motions.xlsx"):
    file = SimpleUploadedFile(name, content.getvalue())
    return client.post(reverse("admin:meeting-agenda", args=[meeting.pk]), {"file": file})


def test_a_file_is_seen_before_it_is_put_in(operator):
    meeting = make_meeting(state="DRAFT", motions=False)

    preview = upload(operator, meeting, sheet(*ROWS))
    seen = preview.context["drafts"]
    assert "关于选举独立董事的议案" in preview.text
    assert not meeting.motions.exists()
    operator.post(reverse("admin:meeting-agenda", args=[meeting.pk]), {"drafts": seen})

    assert [m.number for m in meeting.motions.order_by("group", "item")] == [
        "1.00",
        "3.00",
        "3.01",
        "4.00",
    ]
    assert Motion.objects.get(group=4).candidates.count() == 3


def test_what_was_seen_for_one_meeting_is_not_put_into_another(operator):
    meeting = make_meeting(state="DRAFT", motions=False)
    other = make_meeting(state="DRAFT", motions=False)
    seen = upload(operator, meeting, sheet(*ROWS)).context["drafts"]

    page = operator.post(
        reverse("admin:meeting-agenda", args=[other.pk]), {"drafts": seen}, follow=True
    )

    assert "预览已过期" in page.text
    assert not Motion.objects.exists()


def test_faults_are_a_table_and_nothing_can_be_confirmed(operator):
    meeting = make_meeting(state="DRAFT", motions=False)

    page = upload(operator, meeting, sheet(ROWS[0], ("1", ""), ("1", "重复")))

    assert page.status_code == 422
    assert "须有名称" in page.text
    assert 'name="drafts"' not in page.text


def test_the_template_is_read_as_it_is_handed_out(operator):
    response = operator.get(reverse("admin:agenda-template"))

    content = io.BytesIO(b"".join(response.streaming_content))
    found = read_table(content, file_name="motions.xlsx")
    assert found.faults == []
    assert [draft.number for draft in found.drafts][-2:] == ["4.00", "5.00"]
    assert found.remarks == []
    assert found.drafts[-1].proposer_name == "某某集团有限公司（持股3.20%）"
    assert len(HEADERS) == 16


def test_the_page_of_a_copy_holds_days_against_the_calendar(operator):
    source = make_meeting(state="PUBLISHED", is_rehearsal=False, issuer=make_issuer())
    days = {"record_date": "2026-06-18", "notice_date": "2026-06-05"}
    values = {"kind": "EXTRAORDINARY", "title": "第二次临时股东会", **days}
    page = reverse("admin:meeting-copy", args=[source.pk])

    refused = operator.post(page, {**values, "meeting_date": "2026-06-27"})
    taken = operator.post(page, {**values, "meeting_date": "2026-06-26"})

    assert "休市" in refused.text
    assert taken.status_code == 302
    made = Meeting.objects.exclude(pk=source.pk).get()
    assert (made.state, made.title, made.is_rehearsal) == ("DRAFT", "第二次临时股东会", False)
