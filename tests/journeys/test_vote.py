"""From the personal link to the confirmation in a real browser, without a script."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ballots.models import Ballot
from identity.links import personal_url
from meetings.models import Document, Motion
from tests.factories import make_holder, make_issuer, make_meeting

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE_NUMBER = "15400000001"


@pytest.fixture
def holder(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    meeting = make_meeting(
        issuer=make_issuer(short_name="浦江科技", name="上海浦江科技股份有限公司")
    )
    Motion.objects.create(
        meeting=meeting, group=4, title="关于公司向特定对象发行股票方案的议案", kind="HEADING"
    )
    for item, title in enumerate(("发行股票的种类和面值", "发行方式和发行时间"), start=1):
        Motion.objects.create(meeting=meeting, group=4, item=item, title=title, threshold="SPECIAL")
    Document.objects.create(
        meeting=meeting,
        motion=meeting.motions.get(group=1),
        title="2025年年度报告",
        content=b"%PDF-1.7",
        size=1_234_567,
        sha256="",
    )
    return make_holder(meeting, shares=12_300)


def shoot(page: Page, name: str) -> None:
    if directory := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(directory) / f"{name}.png", full_page="-part" not in name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone-light", {"color_scheme": "light"}),
        ("phone-dark", {"color_scheme": "dark"}),
        ("phone-large", {"color_scheme": "light"}),
        ("desk-light", {"size": {"width": 1280, "height": 800}}),
    ],
)
def test_a_holder_votes_without_a_script(name, options, holder, handset, open_page):
    page = open_page(**options)
    page.goto(personal_url(holder.pk, 0))
    if name == "phone-large":
        page.get_by_role("button", name="大字版").click()
    shoot(page, f"{name}-1-landing")
    expect(page.get_by_text("张*三")).to_be_visible()
    page.get_by_role("button", name="开始投票").click()

    expect(page).to_have_url(re.compile(r"/m/\d+/code$"))
    shoot(page, f"{name}-2-code")
    page.get_by_label("短信验证码").fill("000000" if handset.code() != "000000" else "111111")
    page.get_by_role("button", name="核验并进入投票").click()
    shoot(page, f"{name}-2-code-wrong")
    page.get_by_label("短信验证码").fill(handset.code())
    page.get_by_role("button", name="核验并进入投票").click()

    expect(page).to_have_url(re.compile(r"/m/\d+/ballot$"))
    shoot(page, f"{name}-3-ballot")
    shoot(page, f"{name}-3-ballot-part")
    page.get_by_label("甲").fill("99999")
    page.get_by_role("button", name="下一步：核对").last.click()
    shoot(page, f"{name}-4-errors")
    page.get_by_role("button", name="全部同意").click()
    page.locator("[id='m-2.00']").get_by_text("反对").click()
    page.locator("[id='m-4.02']").get_by_text("弃权").click()
    page.get_by_label("甲").fill("20000")
    page.get_by_role("button", name="计算剩余票数").click()
    shoot(page, f"{name}-5-filled")
    shoot(page, f"{name}-5-filled-part")
    page.get_by_role("button", name="下一步：核对").last.click()

    shoot(page, f"{name}-6-review")
    page.get_by_role("button", name="确认投票").click()

    expect(page).to_have_url(re.compile(r"/m/\d+/confirmation$"))
    page.get_by_text("查看我的表决").click()
    shoot(page, f"{name}-7-confirmation")
    ballot = Ballot.objects.of_meeting(holder.meeting_id).get()
    assert ballot.choices == {
        "1.00": "FOR",
        "2.00": "AGAINST",
        "3.00": {"3.01": 20_000},
        "4.01": "FOR",
        "4.02": "ABSTAIN",
    }
    assert ballot.shares == 12_300
    assert ballot.level == 1
    expect(page.locator(".confirmation-code")).to_have_text(
        " ".join(ballot.code[at : at + 4] for at in (0, 4, 8, 12))
    )
    page.goto(personal_url(holder.pk, 0))
    shoot(page, f"{name}-8-voted")
    page.goto(personal_url(holder.pk, 0)[:-1] + "!")
    shoot(page, f"{name}-9-bad-link")
