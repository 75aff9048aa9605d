"""A meeting from nothing to its published result, as two of the staff do it in their browsers."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from ballots.casting import cast_ballot
from ballots.counting import count_next
from ballots.entitlement import read_entitlement
from ballots.models import Tally
from identity.staff import issue_pass
from meetings import live
from meetings.agenda import read_agenda
from meetings.models import Holder, Meeting
from meetings.register.receiving import load_next
from tests.factories import make_issuer, make_meeting, make_operator
from tests.journeys.conftest import DESK
from tests.meetings.register.files import GOOD_ID, OTHER_ID, csv_file, row
from tests.meetings.test_motion_files import xml
from voting_portal.common.roles import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
IDS = ((1, GOOD_ID), (2, OTHER_ID))


def desk_of(user, open_page, live_server):
    page = open_page(size=DESK, java_script_enabled=True)
    page.goto(issue_pass(user, lifetime=timedelta(hours=1), now=timezone.now()))
    page.locator("main button.primary").click()
    expect(page).to_have_url(re.compile("/admin/$"))
    page.wait_for_load_state()
    return page


def press(page, name):
    """Press a button of the meeting's page and wait for the page that comes of it."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).first.click()


def import_motions(page, name, content):
    """Read a file in, look at what it would make, and put it in."""
    page.get_by_role("link", name="导入议案").first.click()
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.locator("#id_file").set_input_files(file)
    press(page, "检查并预览")
    press(page, "确认导入")


def template_of(page):
    """The sheet that is handed out, which is itself an agenda."""
    page.get_by_role("link", name="导入议案").first.click()
    with page.expect_download() as template:
        page.get_by_role("link", name="下载XLSX模板").click()
    page.go_back()
    return template.value.path().read_bytes()


def copy(page, earlier):
    """A draft of the issuer's next meeting, from the page of an earlier one."""
    page.get_by_role("link", name="以此新建会议").click()
    days = {"notice_date": "2026-06-05", "record_date": "2026-06-18", "meeting_date": "2026-06-26"}
    for name, value in {"title": "2026年第二次临时股东会", **days}.items():
        page.locator(f"#id_{name}").fill(value)
    page.locator("#id_kind").select_option("EXTRAORDINARY")
    press(page, "新建草稿")
    return Meeting.objects.exclude(pk=earlier.pk).get()


def upload_register(page):
    page.get_by_role("link", name="上传股东名册").first.click()
    lines = [row(f"A00000000{n}", code="600001", id_no=number) for n, number in IDS]
    file = {"name": "t1.csv", "mimeType": "text/csv", "buffer": csv_file(*lines).getvalue()}
    page.locator("#id_file").set_input_files(file)
    press(page, "检查并载入")
    assert load_next(now=timezone.now())
    page.reload()


def everybody_agrees(meeting):
    """The day of the meeting: its polls are open, its holders agree to all, and its polls end."""
    now = timezone.now()
    hours = {"polls_open_at": now - timedelta(hours=2), "polls_close_at": now + timedelta(hours=1)}
    Meeting.objects.filter(pk=meeting.pk).update(**hours)
    live.forget()
    agenda = read_agenda(meeting.pk)
    for holder in Holder.objects.of_meeting(meeting.pk):
        choices = {
            motion.number: {motion.candidates[0].number: 100} if motion.is_cumulative else "FOR"
            for motion in agenda.motions
            if not motion.is_heading
        }
        cast_ballot(
            entitlement=read_entitlement(holder.pk, 0),
            agenda=agenda,
            share_class=0,
            choices=choices,
            level=1,
        )
    Meeting.objects.filter(pk=meeting.pk).update(polls_close_at=now - timedelta(minutes=1))
    live.forget()


def test_a_meeting_goes_from_a_copy_to_its_published_result(live_server, settings, open_page):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    issuer = make_issuer(security_code="600001", short_name="浦江科技")
    earlier = make_meeting(state="PUBLISHED", is_rehearsal=False, issuer=issuer)
    first, second = (
        make_operator(roles=[Role.OPERATOR]),
        make_operator(roles=[Role.APPROVER, Role.SCRUTINEER]),
    )
    page, other = (desk_of(user, open_page, live_server) for user in (first, second))

    page.goto(live_server.url + reverse("admin:meetings_meeting_change", args=[earlier.pk]))
    meeting = copy(page, earlier)
    import_motions(page, "m.xlsx", template_of(page))
    assert meeting.motions.count() == 7
    import_motions(page, "m.xml", xml().getvalue())
    press(page, "保存")

    upload_register(page)
    other.goto(page.url)
    press(other, "复核通过并启用")
    meeting_page = live_server.url + reverse("admin:meetings_meeting_change", args=[meeting.pk])
    for desk, button in ((page, "下一步：确认议案"), (other, "下一步：开放投票链接")):
        desk.goto(meeting_page)
        press(desk, button)
    everybody_agrees(meeting)
    page.goto(meeting_page)
    press(page, "下一步：封存票箱")
    press(page, "下一步：申请计票")
    other.goto(meeting_page)
    press(other, "下一步：启封计票")
    expect(other.get_by_role("progressbar", name="启封计票")).to_be_visible()
    assert count_next(now=timezone.now())
    page.goto(meeting_page)
    press(page, "下一步：确认结果")
    other.goto(meeting_page)
    press(other, "下一步：公布结果")

    meeting.refresh_from_db()
    assert (meeting.state, meeting.published_by) == ("PUBLISHED", second.actor)
    assert meeting.meeting_date == date(2026, 6, 26)
    assert Tally.objects.get().content["attendance"]["holders"] == 2
