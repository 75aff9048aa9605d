"""Exchange staff in the admin: a meeting is set up, loaded, opened and closed by two people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from meetings.models import (
    POLICIES,
    CalendarYear,
    Candidate,
    Document,
    Holder,
    Issuer,
    Meeting,
    Motion,
    Register,
)
from meetings.register.receiving import load_next
from tests.factories import make_issuer, make_meeting, make_operator, make_secretary

pytestmark = pytest.mark.django_db
REGISTER = (
    "证券代码,证券账户号码,持有人名称,证件类型,证件号码,持有数量,手机号码\n"
    "{code},A100000001,张小三,居民身份证,290203194307131526,1500,15400000001\n"
    "{code},B100000002,上海虚构投资有限公司,统一社会信用代码,,8500,\n"
)


@pytest.fixture
def operator(client):
    user = make_operator()
    client.force_login(user)
    return user


@pytest.fixture
def checker(client_class):
    client = client_class()
    client.force_login(make_operator())
    return client


@pytest.fixture
def client_class(client):
    return type(client)


def empty_formset(prefix):
    return {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}


def meeting_form(issuer, **changes):
    now = timezone.localtime()
    values = {
        "issuer": issuer.security_code,
        "kind": "EXTRAORDINARY",
        "title": "2026年第一次临时股东会",
        "is_rehearsal": "on",
        "record_date": f"{now - timedelta(days=3):%Y-%m-%d}",
        "meeting_date": f"{now:%Y-%m-%d}",
        "polls_open_at": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "polls_close_at": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}",
        **{name: field.default for name, field in POLICIES.items()},
        "onsite_vote_start": "14:00",
        "retention_days": "30",
        "share_classes-TOTAL_FORMS": "1",
        "share_classes-INITIAL_FORMS": "0",
        "share_classes-0-code": "A",
        "share_classes-0-capital": "1000000",
        "share_classes-0-voteless_shares": "0",
        "share_classes-0-votes_per_share": "1",
        "motions-TOTAL_FORMS": "2",
        "motions-INITIAL_FORMS": "0",
        "motions-0-number": "1",
        "motions-0-kind": "PLAIN",
        "motions-0-threshold": "SPECIAL",
        "motions-0-proposer": "BOARD",
        "motions-0-title": "关于修改公司章程的议案",
        "motions-1-number": "",
        "motions-1-kind": "CUMULATIVE",
        "motions-1-threshold": "ORDINARY",
        "motions-1-proposer": "BOARD",
        "motions-1-title": "关于选举独立董事的议案",
        "motions-1-seats": "1",
        "motions-1-candidate_lines": "甲\n乙\n",
        "documents-TOTAL_FORMS": "1",
        "documents-INITIAL_FORMS": "0",
        "documents-0-title": "会议资料",
        "documents-0-file": SimpleUploadedFile("会议资料.pdf", b"%PDF-1.4 synthetic"),
    }
    return {**values, **changes}


def add_meeting(client, issuer):
    response = client.post(reverse("admin:meetings_meeting_add"), meeting_form(issuer))
    assert response.status_code == 302, response.context["adminform"].form.errors
    return Meeting.objects.get()


def upload(client, meeting, content, name="register.csv", **stated):
    return client.post(
        reverse("admin:meeting-register", args=[meeting.pk]),
        {"file": SimpleUploadedFile(name, content), **stated},
    )


def upload_and_check(client, meeting, content, **stated):
    """As `upload`, and what the worker does then; it reads only what was committed."""
    uploaded = upload(client, meeting, content, **stated)
    assert load_next(now=timezone.now())
    return uploaded


def step(client, meeting, name):
    return client.post(reverse("admin:meeting-step", args=[meeting.pk, name]), follow=True)


def test_a_meeting_is_set_up_on_one_page(client, operator):
    issuer = make_issuer()

    meeting = add_meeting(client, issuer)

    assert [c.code for c in meeting.share_classes.all()] == ["A"]
    assert [m.number for m in meeting.motions.order_by("group")] == ["1.00", "2.00"]
    candidates = Candidate.objects.order_by("item").values_list("item", "name")
    assert list(candidates) == [(1, "甲"), (2, "乙")]
    document = Document.objects.get()
    assert bytes(document.content) == b"%PDF-1.4 synthetic"
    assert document.size == len(b"%PDF-1.4 synthetic")
    assert meeting.journal.get().actor == operator.actor


def test_a_meeting_that_was_saved_is_shown_with_what_it_lacks(client, operator):
    response = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(make_issuer()), follow=True
    )

    meeting = Meeting.objects.get()
    address = reverse("admin:meetings_meeting_change", args=[meeting.pk])
    assert response.redirect_chain == [(address, 302)]
    assert "尚未上传股东名册" in response.text


def test_all_that_is_wrong_stands_on_top_and_leads_to_its_field(client, operator):
    changes = {"motions-0-candidate_lines": "甲", "title": ""}

    response = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(make_issuer(), **changes)
    )

    top = response.text[: response.text.index('class="errornote"')]
    assert '<a href="#id_title">名称：' in top
    assert '<a href="#id_motions-0-candidate_lines">议案#1 候选人（每行一位）：只有' in top
    assert not Meeting.objects.exists()


def test_what_is_no_pdf_is_not_taken(client, operator):
    issuer = make_issuer()
    fake = SimpleUploadedFile("paper.pdf", b"<html>")

    response = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(issuer, **{"documents-0-file": fake})
    )

    assert response.status_code == 200
    assert "这不是PDF文件" in response.text
    assert not Meeting.objects.exists()


def test_candidates_are_for_elections_only(client, operator):
    changes = {"motions-0-candidate_lines": "甲"}

    response = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(make_issuer(), **changes)
    )

    assert "只有累积投票议案有候选人" in response.text
    assert not Meeting.objects.exists()


REAL = {
    "is_rehearsal": "",
    "notice_date": "2026-06-05",
    "record_date": "2026-06-18",
    "meeting_date": "2026-06-26",
    "polls_open_at": "",
    "polls_close_at": "",
}


def test_blank_hours_become_the_lawful_ones(client, operator):
    response = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(make_issuer(), **REAL)
    )

    assert response.status_code == 302
    meeting = Meeting.objects.get()
    hours = [timezone.localtime(at) for at in (meeting.polls_open_at, meeting.polls_close_at)]
    assert [f"{at:%Y-%m-%d %H:%M}" for at in hours] == ["2026-06-26 09:15", "2026-06-26 15:00"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"meeting_date": "2026-06-27"}, "meeting_date", "休市"),
        ({"record_date": "2026-06-24"}, "record_date", "至少须间隔2个"),
        ({"record_date": "2026-06-10"}, "record_date", "不得多于7个"),
        ({"notice_date": "2026-06-12"}, "notice_date", "至少须提前15日"),
        ({"kind": "ANNUAL", "notice_date": "2026-06-10"}, "notice_date", "至少须提前20日"),
        ({"record_date": "2026-06-29"}, "record_date", "须在召开日之前"),
        ({"meeting_date": "2027-06-25", "record_date": "2027-06-18"}, "meeting_date", "2027年"),
        ({"polls_open_at": "2026-06-26T08:00"}, "polls_open_at", "法定时段"),
        ({"issuer": "600000"}, "issuer", "没有这个证券代码"),
    ],
)
def test_a_day_that_breaks_a_rule_is_said_beside_its_field(client, operator, changes, field, words):
    form = {**meeting_form(make_issuer(), **REAL), **changes}

    page = client.post(reverse("admin:meetings_meeting_add"), form)

    errors = page.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in errors[field][0]
    assert not Meeting.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"motions-0-number": "1.1.1"}, "序号写作"),
        ({"motions-1-number": "1.00"}, "序号重复"),
        ({"motions-1-seats": ""}, "须填写应选人数"),
        ({"motions-0-seats": "3"}, "只有累积投票议案有应选人数"),
        ({"motions-1-is_dividend": "on"}, "只适用于非累积投票议案"),
        ({"motions-1-number": "1.01"}, "占用整个序号"),
        ({"motions-1-candidate_lines": "甲\n甲"}, "有候选人重复"),
        ({"motions-0-proposer": "HOLDERS"}, "须填写提案股东"),
        ({"motions-0-proposer_name": "某某集团"}, "须填写提案股东"),
        ({"motions-0-board_opinion": "同意"}, "董事会自己的提案不填董事会意见"),
    ],
)
def test_a_motion_that_breaks_a_rule_is_said_in_words(client, operator, changes, words):
    page = client.post(
        reverse("admin:meetings_meeting_add"), meeting_form(make_issuer(), **changes)
    )

    assert page.status_code == 200
    assert words in page.text
    assert not Meeting.objects.exists()


def test_a_year_is_put_into_the_calendar_or_refused_line_by_line(client, operator):
    page = reverse("admin:meetings_calendaryear_add")
    text = "2027-01-01\n2027-02-05~2027-02-12\n2027-05-03\n2027-10-01~2027-10-07"

    refused = client.post(page, {"year": "2027", "text": f"{text}\n1月2日(星期一)休市"})
    assert refused.status_code == 422
    assert "星期六" in refused.text
    assert not CalendarYear.objects.filter(year=2027).exists()
    file = SimpleUploadedFile("2027.txt", text.encode())
    taken = client.post(page, {"year": "2027", "file": file})

    assert taken.status_code == 302
    assert len(CalendarYear.objects.get(year=2027).closed_days) == 13


def test_who_is_no_operator_puts_in_no_year(client):
    client.force_login(make_operator(roles=["AUDITOR"]))

    response = client.post(reverse("admin:meetings_calendaryear_add"), {"year": "2027"})

    assert response.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_people_take_a_meeting_from_its_register_to_open_links(client, operator, checker):
    issuer = make_issuer()
    meeting = add_meeting(client, issuer)

    content = REGISTER.format(code=issuer.security_code).encode()
    uploaded = upload_and_check(client, meeting, content)
    register = Register.objects.get()
    assert uploaded.url == reverse("admin:meetings_register_change", args=[register.pk])
    approve = reverse("admin:register-decide", args=[register.pk, "approve"])
    assert "另一位" in client.post(approve, follow=True).text
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    checker.post(approve)
    step(client, meeting, "confirm-motions")
    step(checker, meeting, "invite")

    assert Holder.objects.of_meeting(meeting.pk).count() == 2
    assert Meeting.objects.get().state == "INVITED"
    page = client.get(reverse("admin:meetings_meeting_change", args=[meeting.pk])).text
    assert "已发通知" in page
    assert "register.approved" in page


@pytest.mark.django_db(transaction=True)
def test_a_bad_register_names_row_and_reason_and_leaves_nothing(client, operator):
    issuer = make_issuer()
    meeting = add_meeting(client, issuer)
    bad = REGISTER.format(code=issuer.security_code).replace("8500", "85.5")

    uploaded = upload_and_check(client, meeting, bad.encode())

    register = Register.objects.get()
    assert register.state == "REFUSED"
    assert (register.rows_read, register.rows_loaded, register.rows_refused) == (2, 0, 2)
    page = client.get(uploaded.url).text
    assert "QTY_FRACTION" in page
    assert "持有数量须为整数股" in page
    faults = client.get(reverse("admin:register-faults", args=[register.pk]))
    assert faults.headers["Content-Type"] == "text/csv; charset=utf-8"
    content = b"".join(faults.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    assert "QTY_FRACTION,2,3,qty" in content.decode()
    assert not Holder.objects.of_meeting(meeting.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_stated_totals_are_compared(client, operator):
    issuer = make_issuer()
    meeting = add_meeting(client, issuer)
    good = REGISTER.format(code=issuer.security_code).encode()

    upload_and_check(client, meeting, good, stated_holders="2", stated_shares="10001")

    register = Register.objects.get()
    assert register.state == "REFUSED"
    assert [error["kind"] for error in register.errors] == ["TOTAL_SHARES"]


def test_motions_are_frozen_once_confirmed(client, operator):
    meeting = make_meeting(state="MOTIONS_CONFIRMED")
    url = reverse("admin:meetings_meeting_change", args=[meeting.pk])

    page = client.get(url)
    changed = client.post(url, meeting_form(meeting.issuer, title="另一个名称"))

    assert page.status_code == 200
    assert 'name="title"' not in page.text
    assert changed.status_code == 403
    assert Meeting.objects.get().title != "另一个名称"


def test_a_step_that_may_not_be_taken_says_why(client, operator):
    meeting = make_meeting(state="OPEN", is_rehearsal=False)

    answer = step(client, meeting, "close-polls")

    assert "尚未到投票截止时间" in answer.text
    assert Meeting.objects.get().state == "OPEN"


def test_steps_are_taken_by_post_only(client, operator):
    meeting = make_meeting()

    answer = client.get(reverse("admin:meeting-step", args=[meeting.pk, "close-early"]))

    assert answer.status_code == 405
    assert Meeting.objects.get().state == "OPEN"


@pytest.mark.parametrize("state", Meeting.State.values)
def test_every_state_has_a_page(client, operator, state):
    is_published = state == "PUBLISHED"
    meeting = make_meeting(state=state, is_rehearsal=not is_published)

    page = client.get(reverse("admin:meetings_meeting_change", args=[meeting.pk]))

    assert page.status_code == 200
    assert meeting.get_state_display() in page.text


@pytest.mark.parametrize(
    "name",
    [
        "meetings_issuer",
        "meetings_meeting",
        "meetings_motion",
        "meetings_recusal",
        "meetings_register",
        "meetings_importprofile",
        "meetings_listimport",
        "meetings_journalentry",
    ],
)
def test_every_list_opens_and_deletes_nothing(client, operator, name):
    make_meeting()

    page = client.get(reverse(f"admin:{name}_changelist"))

    assert page.status_code == 200
    assert "delete_selected" not in page.text


def test_a_recused_holder_is_named_by_account_and_shown_masked(client, operator):
    meeting = make_meeting(state="DRAFT")
    motion = Motion.objects.get(meeting=meeting, group=1)

    client.post(
        reverse("admin:meetings_recusal_add"),
        {"motion": motion.pk, "name": "控股股东", "account": "B123456789"},
    )

    page = client.get(reverse("admin:meetings_recusal_changelist")).text
    assert "B*****6789" in page
    assert "B123456789" not in page


def test_a_secretary_is_kept_out_of_the_admin(client):
    issuer = make_issuer()
    client.force_login(make_secretary(issuer))

    answer = client.get(reverse("admin:meetings_issuer_changelist"))

    assert answer.status_code == 302
    assert Issuer.objects.count() == 1
