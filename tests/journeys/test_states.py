"""Pages beside the straight road, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from ballots.models import Ballot
from identity.links import personal_url
from identity.staff import issue_pass
from meetings import live
from meetings.models import Meeting
from meetings.preparing import recuse
from tests.factories import make_holder, make_issuer, make_meeting, make_secretary
from tests.journeys.test_vote import shoot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def holder(live_server, settings):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    meeting = make_meeting(issuer=make_issuer(short_name="浦江科技"))
    return make_holder(meeting, shares=12_300)


@pytest.fixture
def to_ballot(holder, handset):
    def go(page):
        page.goto(personal_url(holder.pk, 0))
        page.get_by_role("button", name="开始投票").click()
        page.get_by_label("短信验证码").fill(handset.code())
        page.get_by_role("button", name="核验并进入投票").click()
        expect(page).to_have_url(re.compile(r"/ballot$"))

    return go


@pytest.mark.parametrize(
    ("state", "words"),
    [("CLOSED", "投票已截止"), ("CANCELLED", "会议已取消"), ("POSTPONED", "会议已延期")],
)
def test_a_meeting_without_polls_says_why(state, words, holder, open_page):
    Meeting.objects.update(state=state)
    live.forget()
    page = open_page()

    page.goto(personal_url(holder.pk, 0))

    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("button", name="开始投票")).to_have_count(0)
    shoot(page, f"state-{state.lower()}")


def test_enter_in_a_field_leads_to_the_review_and_fills_nothing(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    for motion in ("1.00", "2.00"):
        page.locator(f"[id='m-{motion}']").get_by_text("反对").click()

    page.get_by_label("甲").fill("5")
    page.get_by_label("甲").press("Enter")

    expect(page).to_have_url(re.compile(r"/review$"))
    expect(page.get_by_text("反对")).to_have_count(2)


def test_the_keyboard_alone_votes(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)

    for motion in ("1.00", "2.00"):
        page.locator(f"[id='m-{motion}-FOR']").focus()
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="下一步").last.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="确认投票").focus()
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/confirmation$"))
    ballot = Ballot.objects.of_meeting(holder.meeting_id).get()
    assert ballot.choices == {"1.00": "AGAINST", "2.00": "AGAINST"}


def test_changing_an_answer_leads_to_it_and_keeps_the_others(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    page.get_by_role("button", name="全部同意").click()
    page.get_by_role("button", name="下一步").last.click()

    page.get_by_role("button", name="修改议案2.00").click()

    expect(page).to_have_url(re.compile(r"/ballot#m-2\.00$"))
    expect(page.locator("[id='m-1.00-FOR']")).to_be_checked()
    expect(page.locator("[id='m-2.00-FOR']")).to_be_checked()


def test_large_type_on_the_ballot_loses_nothing(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    page.locator("[id='m-1.00']").get_by_text("弃权").click()

    page.get_by_role("button", name="大字版").click()

    expect(page.locator("html")).to_have_class("large")
    expect(page.locator("[id='m-1.00-ABSTAIN']")).to_be_checked()


def test_a_recused_motion_cannot_be_chosen(holder, to_ballot, open_page):
    motion = Meeting.objects.get(pk=holder.meeting_id).motions.get(group=2)
    now = timezone.now()
    recuse(motion, account="A000000001", name="关联股东", by="operator:1", now=now)
    page = open_page()
    to_ballot(page)

    page.get_by_role("button", name="全部同意").click()

    expect(page.locator("[id='m-2.00-FOR']")).to_be_disabled()
    expect(page.locator("[id='m-2.00-FOR']")).not_to_be_checked()
    shoot(page, "recused")


def test_lost_cookies_lead_to_a_page_that_helps(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    page.context.clear_cookies()

    page.get_by_role("button", name="全部同意").click()

    expect(page.get_by_role("heading", name="请重新打开您的投票链接")).to_be_visible()
    shoot(page, "start-again")


@pytest.mark.parametrize("width", [320, 360, 640])
def test_no_page_scrolls_sideways_in_large_type(width, holder, to_ballot, open_page):
    page = open_page({"width": width, "height": 740}, java_script_enabled=True)
    page.goto(personal_url(holder.pk, 0))
    page.get_by_role("button", name="大字版").click()
    wide = []

    def look(name):
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(name)

    look("landing")
    to_ballot(page)
    look("ballot")
    page.get_by_role("button", name="下一步").last.click()
    look("errors")
    page.get_by_role("button", name="全部弃权").click()
    page.get_by_role("button", name="下一步").last.click()
    look("review")
    page.get_by_role("button", name="确认投票").click()
    page.get_by_text("查看我的表决").click()
    look("confirmation")
    for path in ("/help", "/privacy", "/start", "/v/wrong", "/staff/login"):
        page.goto(address_of(page, path))
        look(path)

    assert wide == []


def address_of(page, path):
    scheme, _, rest = page.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}{path}"


def test_what_is_pressed_is_large_enough(holder, to_ballot, open_page):
    page = open_page(java_script_enabled=True)
    to_ballot(page)

    small = page.evaluate(
        """() => [...document.querySelectorAll('button:not(.default), .opinions label, input.code')]
            .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
            .filter(([_, box]) => box.height < 47.5 || box.width < 47.5)
            .map(([text]) => text)"""
    )

    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_for_everybody_and_for_staff(scheme, live_server, settings, open_page):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    issuer = make_issuer(short_name="浦江科技")
    make_meeting(issuer=issuer)
    secretary = make_secretary(issuer)
    page = open_page(color_scheme=scheme)
    for name in ("help", "privacy", "nowhere", "staff/login"):
        page.goto(f"{live_server.url}/{name}")
        shoot(page, f"{scheme}-{name.replace('/', '-')}")

    now = timezone.now()
    page.goto(issue_pass(secretary, lifetime=timedelta(hours=1), now=now))
    shoot(page, f"{scheme}-staff-pass")
    page.get_by_role("button", name="登录").click()

    expect(page.get_by_role("heading", name="我的股东会")).to_be_visible()
    shoot(page, f"{scheme}-console")
    page.get_by_role("link", name="2026年第一次临时股东会").click()
    shoot(page, f"{scheme}-console-meeting")
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_role("heading", name="工作人员登录")).to_be_visible()


def test_after_the_vote_going_back_never_votes_again(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    page.get_by_role("button", name="全部同意").click()
    page.get_by_role("button", name="下一步").last.click()
    page.get_by_role("button", name="确认投票").click()
    expect(page).to_have_url(re.compile(r"/confirmation$"))
    code = page.locator(".confirmation-code").text_content()

    page.go_back()

    expect(page).to_have_url(re.compile(r"/confirmation$"))
    expect(page.locator(".confirmation-code")).to_have_text(code)
    page.reload()
    expect(page.locator(".confirmation-code")).to_have_text(code)
    assert Ballot.objects.of_meeting(holder.meeting_id).count() == 1


def test_going_back_from_the_review_keeps_every_choice(holder, to_ballot, open_page):
    page = open_page()
    to_ballot(page)
    page.get_by_role("button", name="全部反对").click()
    page.get_by_role("button", name="下一步").last.click()
    expect(page).to_have_url(re.compile(r"/review$"))

    page.go_back()

    expect(page.locator("[id='m-1.00-AGAINST']")).to_be_checked()
    expect(page.locator("[id='m-2.00-AGAINST']")).to_be_checked()


def test_the_same_road_in_english(holder, handset, open_page):
    page = open_page(locale="en-US")
    page.goto(personal_url(holder.pk, 0))
    expect(page.locator("html")).to_have_attribute("lang", "en")
    shoot(page, "english-1-landing")
    page.locator("main button.primary").click()
    page.locator("#code").fill(handset.code())
    shoot(page, "english-2-code")
    page.locator("main button.primary").click()
    page.locator("button[name=fill][value=FOR]").click()
    shoot(page, "english-3-ballot")
    page.locator(".bar button.primary").click()
    shoot(page, "english-4-review")
    page.locator("main button.primary").click()

    expect(page).to_have_url(re.compile(r"/confirmation$"))
    shoot(page, "english-5-confirmation")
