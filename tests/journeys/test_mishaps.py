"""What goes wrong on a phone while it casts: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Error, expect

from ballots.models import Ballot
from identity.links import personal_url
from tests.factories import make_holder, make_issuer, make_meeting
from tests.journeys.beside import to_ballot

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CAST = "**/cast"


@pytest.fixture
def holder(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    return make_holder(make_meeting(issuer=make_issuer(short_name="浦江科技")), shares=12_300)


@pytest.fixture
def page(holder, handset, open_page):
    """A phone that shows the ballot of the holder."""
    page = open_page()
    to_ballot(page, holder, handset)
    return page


def to_review(page, words):
    page.get_by_role("button", name=words).click()
    page.get_by_role("button", name="下一步").click()
    expect(page).to_have_url(re.compile(r"/review$"))


def confirm(page):
    page.get_by_role("button", name="确认投票").click()


def code_on(page):
    """The confirmation code that the page shows, without its blanks."""
    expect(page).to_have_url(re.compile(r"/confirmation$"))
    return page.locator(".confirmation-code").inner_text().replace(" ", "")


def lose(page, *, is_heard):
    """Let the network break in the POST: after the portal has heard it, or before."""

    def lost(route):
        if is_heard:
            route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route(CAST, lost)
    with pytest.raises(Error, match="ERR_CONNECTION_RESET"), page.expect_navigation():
        confirm(page)
    page.unroute(CAST)


def test_a_double_tap_casts_once(page):
    to_review(page, "全部同意")

    page.get_by_role("button", name="确认投票").dblclick()

    assert code_on(page) == Ballot.objects.get().code


def test_of_two_tabs_the_first_that_confirms_counts_and_the_other_is_told(page):
    other = page.context.new_page()
    other.goto(page.url)
    to_review(page, "全部同意")
    to_review(other, "全部反对")

    confirm(page)
    code = code_on(page)
    confirm(other)

    assert code_on(other) == code == Ballot.objects.get().code
    other.get_by_text("查看我的表决").click()
    expect(other.locator(".said.for")).to_have_count(2)
    expect(other.locator(".said.against")).to_have_count(0)


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_a_vote_whose_answer_was_lost_is_repeated_without_harm(is_heard, page):
    to_review(page, "全部反对")
    lose(page, is_heard=is_heard)
    assert Ballot.objects.count() == is_heard

    page.reload()

    ballot = Ballot.objects.get()
    assert code_on(page) == ballot.code
    assert ballot.choices == {"1.00": "AGAINST", "2.00": "AGAINST"}


def test_who_saw_no_answer_learns_from_the_link_that_the_vote_is_in(page, holder):
    to_review(page, "全部同意")
    lose(page, is_heard=True)

    page.goto(personal_url(holder.pk, 0))

    expect(page.get_by_text("您已投票")).to_be_visible()
    expect(page.get_by_role("button", name="开始投票")).to_have_count(0)
    assert Ballot.objects.get().code in page.inner_text("main").replace(" ", "")


def test_cookies_lost_after_the_vote_lose_nothing_that_was_confirmed(page, holder):
    to_review(page, "全部同意")
    confirm(page)
    code = code_on(page)
    page.context.clear_cookies()

    page.reload()

    expect(page.get_by_role("heading", name="请重新打开您的投票链接")).to_be_visible()
    expect(page.get_by_text("已经确认的投票不受影响")).to_be_visible()
    page.goto(personal_url(holder.pk, 0))
    expect(page.get_by_text("您已投票")).to_be_visible()
    assert code in page.inner_text("main").replace(" ", "")
