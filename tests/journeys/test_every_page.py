"""What every page of a holder promises: light, large enough to press, in order, never sideways."""

from __future__ import annotations

import gzip
import re
from itertools import chain

import pytest
from django.conf import settings as of_project
from playwright.sync_api import expect

from ballots.models import Ballot
from identity.links import personal_url
from meetings import live
from meetings.models import Meeting, Motion
from tests.factories import make_holder, make_issuer, make_meeting

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STYLE = of_project.BASE_DIR / "static/css/portal.css"
FIRST_FLIGHT = 14_000  # bytes that a server sends before the first acknowledgement
# Links inside a sentence are as high as its line; everything else takes a thumb.
SMALL = """() => [...document.querySelectorAll(
    'button:not(.default), summary, input:not([type=hidden]):not([type=radio]), .opinions label,'
    + ' a.primary, a.secondary, footer a, .documents a')]
    .filter(e => e.getClientRects().length && !e.closest('details:not([open]) > :not(summary)'))
    .map(e => [(e.textContent || e.id).trim(), e.getBoundingClientRect()])
    .filter(([_, box]) => box.height < 47.5 || box.width < 47.5)
    .map(([text, box]) => `${text} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


@pytest.fixture
def holder(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    return make_holder(make_meeting(issuer=make_issuer(short_name="浦江科技")), shares=12_300)


@pytest.mark.parametrize(("name", "pages"), [("road", 23), ("rare", 18)])
def test_every_page_is_light_and_large_enough_to_press(name, pages, holder, walk, open_page):
    page, asked, found = open_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    style = len(gzip.compress(STYLE.read_bytes()))

    seen = []
    for place in walk(name, page, holder):
        seen.append(place)
        weight = len(gzip.compress(page.content().encode())) + style
        if weight > FIRST_FLIGHT:
            found.append(f"{place}: {weight} bytes")
        found += [f"{place}: {text}" for text in page.evaluate(SMALL)]
        if (headings := page.locator("h1").count()) != 1:
            found.append(f"{place}: {headings} headings")

    assert found == []
    assert len(seen) == pages
    kinds = {url.rpartition(".")[2] for url in asked if "/static/" in url}
    assert kinds <= {"css", "svg"}  # a style, and the icon that browsers ask for after the paint
    assert not [url for url in asked if not url.startswith((of_project.PUBLIC_URL, "file:"))]


def test_a_page_asks_for_one_file_before_it_is_painted(holder, live_server, open_page):
    page, asked = open_page(), []
    page.on("request", lambda request: asked.append(request.resource_type))

    page.goto(personal_url(holder.pk, 0))

    assert sorted(kind for kind in asked if kind != "other") == ["document", "stylesheet"]


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_no_page_scrolls_sideways_at_320_pixels_in_large_type(
    locale, holder, live_server, walk, open_page
):
    page = open_page({"width": 320, "height": 640}, locale=locale)
    page.context.add_cookies([{"name": "type", "value": "large", "url": live_server.url}])
    other = make_holder(make_meeting(issuer=make_issuer(short_name="浦东科技")))

    wide = [
        name
        for name in chain(walk("road", page, holder), walk("rare", page, other))
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    ]

    assert wide == []


def test_three_taps_lead_from_the_link_to_the_confirmation(holder, handset, open_page):
    Motion.objects.filter(meeting=holder.meeting_id, kind="CUMULATIVE").delete()
    Meeting.objects.update(revision=9)
    live.forget()
    page = open_page()
    page.goto(personal_url(holder.pk, 0))
    page.get_by_role("button", name="开始投票").click()
    page.get_by_label("短信验证码").fill(handset.code())
    page.get_by_role("button", name="核验并进入投票").click()
    expect(page).to_have_url(re.compile(r"/ballot$"))
    page.goto(personal_url(holder.pk, 0))

    taps = ("开始投票", "全部同意", "确认投票")
    for name in taps:
        page.get_by_role("button", name=name).click()

    expect(page).to_have_url(re.compile(r"/confirmation$"))
    assert Ballot.objects.get().choices == {"1.00": "FOR", "2.00": "FOR"}


def tab_to(page, name):
    """Press Tab until what is called so has the focus."""
    for _press in range(60):
        page.keyboard.press("Tab")
        words = page.evaluate(
            "(e => e.labels?.[0]?.textContent || e.getAttribute('aria-label') || e.textContent)"
            "(document.activeElement)"
        )
        if name in words:
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_the_keyboard_alone_leads_through_the_whole_vote(holder, handset, open_page):
    page = open_page()
    page.goto(personal_url(holder.pk, 0))

    tab_to(page, "开始投票")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/code$"))
    tab_to(page, "短信验证码")
    page.keyboard.type(handset.code())
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ballot$"))
    tab_to(page, "同意")  # 全部同意
    tab_to(page, "同意")  # of the first motion
    page.keyboard.press("ArrowRight")
    tab_to(page, "同意")
    page.keyboard.press("Space")
    tab_to(page, "甲")
    page.keyboard.type("24600")
    tab_to(page, "下一步")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/review$"))
    tab_to(page, "确认投票")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/confirmation$"))

    said = {"1.00": "AGAINST", "2.00": "FOR", "3.00": {"3.01": 24_600}}
    assert Ballot.objects.get().choices == said


def in_order(text, *words):
    places = [text.find(word) for word in words]
    assert -1 not in places, [w for w, at in zip(words, places, strict=True) if at < 0]
    return places == sorted(places)


def to_ballot(page, holder, handset):
    page.goto(personal_url(holder.pk, 0))
    page.get_by_role("button", name="开始投票").click()
    page.get_by_label("短信验证码").fill(handset.code())
    page.get_by_role("button", name="核验并进入投票").click()
    expect(page).to_have_url(re.compile(r"/ballot$"))


def test_what_is_wrong_is_announced_and_has_the_focus(holder, handset, open_page):
    page = open_page()
    to_ballot(page, holder, handset)

    page.locator(".bar button.primary").click()

    assert page.title().startswith("错误：")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.get_by_role("link", name="议案1.00").click()
    assert page.evaluate("location.hash") == "#m-1.00"
    assert page.locator("[id='m-1.00']").get_attribute("aria-describedby") == "m-1.00-error"


def test_a_screen_reader_meets_the_ballot_in_its_order(holder, handset, open_page):
    page = open_page()
    to_ballot(page, holder, handset)

    tree = page.locator("body").aria_snapshot()

    assert in_order(
        tree,
        'link "跳到正文"',
        "banner",
        "main",
        'heading "填写表决票" [level=1]',
        'group "一键填写"',
        'group "1.00 关于年度报告的议案"',
        'radio "同意"',
        'radio "反对"',
        'radio "弃权"',
        'group "2.00 关于修改公司章程的议案"',
        'group "3.00 关于选举独立董事的议案"',
        'textbox "3.01 甲"',
        'button "下一步：核对"',
        "contentinfo",
    )
    assert "核对表决票" not in tree  # the button that Enter presses is for the keyboard only


def test_without_its_style_the_vote_reads_in_order_and_can_be_finished(holder, handset, open_page):
    page = open_page()
    page.route("**/*.css", lambda route: route.fulfill(content_type="text/css", body=""))
    page.goto(personal_url(holder.pk, 0))

    assert in_order(
        page.inner_text("body"),
        "跳到正文",
        "浦江科技",
        "张*三",
        "登记日持股",
        "投票截止",
        "开始投票",
        "会议议案",
        "如何确认本页面真实",
        "其他投票方式",
        "咨询热线",
    )
    to_ballot(page, holder, handset)
    page.get_by_role("button", name="全部弃权").click()
    page.get_by_role("button", name="下一步").click()
    page.get_by_role("button", name="确认投票").click()
    expect(page.get_by_role("heading", name="投票成功")).to_be_visible()
