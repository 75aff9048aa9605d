"""The guides in docs/ walked through in a real browser: their words are on the pages, and their
pictures are of them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.opening import ask_for_tally, open_tally
from identity.links import personal_url
from identity.staff import issue_pass
from meetings import lifecycle, live
from meetings.agenda import read_agenda
from meetings.models import Document, Meeting, Motion
from notifications.campaigns import plan_campaign
from notifications.models import Delivery
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import (
    make_holder,
    make_issuer,
    make_meeting,
    make_operator,
    make_register,
    make_secretary,
)
from tests.journeys.album import DOCS, PICTURE, Album
from voting_portal.demo.papers import one_page_pdf

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"size": {"width": 375, "height": 760}, "device_scale_factor": 2}
DESK = {"size": {"width": 1180, "height": 760}, "device_scale_factor": 1.25}
NAMES = ("张小三", "李小四", "王小五", "赵小六", "陈小七", "周小八")


@pytest.fixture
def meeting(live_server, settings):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    issuer = make_issuer(short_name="浦江科技", name="上海浦江科技股份有限公司")
    now = timezone.now()
    meeting = make_meeting(issuer=issuer, polls_close_at=now + timedelta(hours=5, minutes=20))
    Motion.objects.filter(meeting=meeting, group=1).update(title="关于2025年度利润分配方案的议案")
    Motion.objects.filter(meeting=meeting, group=2).update(title="关于修改《公司章程》的议案")
    Document.objects.create(
        meeting=meeting,
        motion=meeting.motions.get(group=1),
        title="利润分配方案公告",
        **one_page_pdf("A motion of a synthetic meeting").as_fields(),
    )
    for index, name in enumerate(NAMES, start=1):
        make_holder(meeting, shares=12_300 * index, name=name, phone=f"1540000000{index}")
    live.forget()
    return meeting


def vote(meeting, index, opinion):
    holder = meeting.pk * 2**28 + index
    cast_ballot(
        entitlement=read_entitlement(holder, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices={"1.00": opinion, "2.00": "FOR", "3.00": {"3.01": 12_300 * index * 2}},
        level=1,
    )


def count(meeting):
    now = timezone.now()
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)


def test_the_guide_of_holders(meeting, handset, open_page):
    album, page = Album("guide-holder"), open_page(**PHONE)
    link = personal_url(meeting.pk * 2**28 + 1, 0)
    for index in range(2, 7):
        vote(meeting, index, "AGAINST" if index == 2 else "FOR")

    page.goto(link)
    album.take(page, "holder-1-landing")
    page.get_by_role("button", name="开始投票").click()
    page.get_by_label("短信验证码").fill(handset.code())
    album.take(page, "holder-2-code")
    page.get_by_role("button", name="核验并进入投票").click()
    page.get_by_role("button", name="全部同意").click()
    album.take(page, "holder-3-ballot")
    page.get_by_label("甲").fill("1")
    page.get_by_label("乙").fill("1")
    page.get_by_role("button", name="平均分配").click()
    page.locator("[id='m-3.00']").scroll_into_view_if_needed()
    album.take(page, "holder-4-election")
    page.get_by_role("button", name="下一步").last.click()
    album.take(page, "holder-5-review")
    page.get_by_role("button", name="确认投票").click()
    expect(page).to_have_url(re.compile(r"/confirmation$"))
    album.take(page, "holder-6-confirmation")
    page.goto(link)
    album.take(page, "holder-7-voted")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    count(meeting)
    # A rehearsal is never published; this one stands for a meeting that was none.
    Meeting.objects.update(state="PUBLISHED", is_rehearsal=False)
    live.forget()
    page.goto(link)
    page.get_by_role("link", name="查看表决结果").click()
    page.locator("[id='m-1.00']").scroll_into_view_if_needed()
    album.take(page, "holder-8-result")

    assert album.is_whole()


def test_the_guide_of_secretaries(meeting, live_server, open_page, tmp_path):
    album, page = Album("guide-secretary"), open_page(**DESK)
    now = timezone.now()
    secretary = make_secretary(meeting.issuer)
    Meeting.objects.filter(pk=meeting.pk).update(
        state="INVITED",
        invited_by="operator:2",
        meeting_date=timezone.localdate(now) + timedelta(days=5),
        polls_open_at=now + timedelta(days=5),
        polls_close_at=now + timedelta(days=5, hours=5),
    )

    page.goto(issue_pass(secretary, lifetime=timedelta(hours=1), now=now))
    page.get_by_role("button", name="登录").click()
    album.take(page, "secretary-1-meetings")
    page.get_by_role("link", name="议程校对").click()
    album.take(page, "secretary-2-agenda")
    page.get_by_role("button", name="确认议程无误").click()
    expect(page.get_by_text("已确认")).to_be_visible()
    notice = plan_campaign(
        meeting.pk, wording=default_wording(), plan=plan_of("sms"), by="operator:9", now=now
    )
    Delivery.objects.of_campaign(notice).update(state=Delivery.State.DELIVERED, changed_at=now)
    page.goto(f"{live_server.url}/secretary/{meeting.pk}/reach")
    album.take(page, "secretary-3-reach")
    Meeting.objects.update(
        state="OPEN",
        meeting_date=timezone.localdate(now),
        polls_open_at=now - timedelta(hours=2),
        polls_close_at=now + timedelta(hours=3),
    )
    live.forget()
    for index in range(2, 7):
        vote(meeting, index, "AGAINST" if index == 2 else "FOR")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    file = tmp_path / "现场投票.csv"
    file.write_text("证券账户,议案序号,表决意见\nA000000001,1,同意\nA000000003,1,反对\n")
    page.goto(f"{live_server.url}/secretary/{meeting.pk}/onsite")
    page.get_by_label("现场投票文件").set_input_files(file)
    page.get_by_role("button", name="检查并导入").click()
    album.take(page, "secretary-4-onsite")
    count(meeting)
    page.goto(f"{live_server.url}/secretary/{meeting.pk}/")
    album.take(page, "secretary-5-result")

    assert album.is_whole()


def test_the_guide_of_operators(meeting, handset, live_server, open_page):
    album, page = Album("guide-operator"), open_page(**DESK)
    now = timezone.now()
    of_meeting = Meeting.objects.filter(pk=meeting.pk)
    day = timezone.localdate(now) + timedelta(days=5)
    hours = {"polls_open_at": now + timedelta(days=5), "polls_close_at": now + timedelta(days=6)}
    of_meeting.update(state="DRAFT", meeting_date=day, **hours)

    def go(name, *args, **query):
        page.goto(live_server.url + reverse(f"admin:{name}", args=args, query=query))

    page.goto(issue_pass(make_operator(), lifetime=timedelta(hours=1), now=now))
    page.get_by_role("button", name="登录").click()
    go("meetings_meeting_change", meeting.pk)
    album.take(page, "operator-1-meeting")
    go("meeting-register", meeting.pk)
    album.take(page, "operator-2-register")
    make_register(meeting, state="LOADED", approved_by="operator:2", holders=len(NAMES))
    of_meeting.update(state="REGISTER_LOADED")
    go("meetings_meeting_change", meeting.pk)
    album.take(page, "operator-3-confirm")
    of_meeting.update(state="INVITED", invited_by="operator:2")
    live.forget()
    go("notifications_campaign_add", meeting=meeting.pk)
    album.take(page, "operator-4-campaign")
    campaign = plan_campaign(
        meeting.pk, wording=default_wording(), plan=plan_of("sms"), by="operator:9", now=now
    )
    go("notifications_campaign_change", campaign.pk)
    album.take(page, "operator-5-approve")
    of_meeting.update(state="CLOSED", polls_sealed_at=now)
    go("meetings_meeting_change", meeting.pk)
    album.take(page, "operator-6-tally")

    assert album.is_whole()


def test_every_picture_is_shown_somewhere_and_every_shown_one_is_there():
    texts = [path.read_text() for path in (*DOCS.glob("*.md"), DOCS.parent / "README.md")]
    shown = {name for text in texts for name in re.findall(r"images/([\w.-]+)\)", text)}

    lie_there = {path.name for path in (DOCS / "images").iterdir()}

    assert shown == lie_there
    assert all(name.endswith(".webp") for name in shown)
    assert sum(path.stat().st_size for path in (DOCS / "images").iterdir()) < 2_000_000
    assert PICTURE.search((DOCS / "guide-holder.md").read_text())
