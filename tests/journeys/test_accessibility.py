"""axe-core on the pages that people see: no violation in either language or scheme."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from ballots.opening import ask_for_tally, open_tally
from identity import turns
from identity.links import personal_url
from identity.staff import issue_pass
from meetings import lifecycle
from meetings.models import Meeting
from notifications.models import Delivery
from tests.factories import (
    make_holder,
    make_holders,
    make_issuer,
    make_meeting,
    make_operator,
    make_secretary,
)
from tests.journeys.conftest import DESK
from tests.notifications.conftest import start_campaign

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [
    pytest.param({"locale": "zh-CN", "color_scheme": "light"}, id="zh-light"),
    pytest.param({"locale": "en-GB", "color_scheme": "dark"}, id="en-dark"),
]


class Looker:
    """Looks at a page and keeps what axe finds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: list[str] = []

    def look(self, name: str) -> None:
        self.page.evaluate(AXE)
        report: dict[str, Any] = self.page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
        )
        for violation in report["violations"]:
            nodes = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
            self.found.append(f"{name}: {violation['id']} at {', '.join(nodes[:4])}")

    def go(self, path: str, name: str = "") -> None:
        self.page.goto(path)
        self.look(name or urlsplit(path).path)


@pytest.mark.parametrize("look", LOOKS)
def test_the_waiting_page_and_the_public_agenda(look, live_server, settings, handset, open_page):
    settings.PUBLIC_URL, settings.SIGN_INS_A_SECOND = live_server.url, 1
    for other in range(200):
        turns.turn_of(other)
    holder = make_holder(make_meeting(issuer=make_issuer(short_name="浦江科技")))
    looker = Looker(open_page(java_script_enabled=True, **look))
    page = looker.page

    looker.go(f"{live_server.url}/m/{holder.meeting_id}", "public agenda")
    looker.go(personal_url(holder.pk, 0), "landing")
    page.locator("main form button.primary").first.click()
    expect(page).to_have_url(re.compile(r"/wait$"))
    looker.look("waiting")
    page.locator("a[href$='?still=1']").click()
    looker.look("waiting, not refreshed")

    assert looker.found == []


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_of_a_holder(look, walk, open_page):
    holder = make_holder(make_meeting(issuer=make_issuer(short_name="浦江科技")), shares=12_300)
    looker = Looker(open_page(java_script_enabled=True, **look))

    for name in walk("road", looker.page, holder):
        looker.look(name)

    assert looker.found == []


@pytest.mark.parametrize("look", LOOKS)
def test_every_rare_page_of_a_holder(look, walk, open_page):
    meeting = make_meeting(issuer=make_issuer(short_name="浦江科技"))
    meeting.motions.filter(group=2).update(
        proposer="HOLDERS", proposer_name="甲集团", board_opinion="董事会建议投反对票。"
    )
    looker = Looker(open_page(java_script_enabled=True, **look))

    for name in walk("rare", looker.page, make_holder(meeting)):
        looker.look(name)

    assert looker.found == []


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_of_a_closed_log(look, live_server, open_page):
    meeting = make_meeting()
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    call_command("run_sequencer", "--once")
    looker = Looker(open_page(java_script_enabled=True, **look))

    looker.go(live_server.url + reverse("ballots:log", args=[meeting.pk]), "log")
    looker.page.locator("#code").fill("7K3M")
    looker.page.locator("main button.secondary").click()
    looker.look("log, no code")

    assert looker.found == []


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_of_a_secretary(look, live_server, settings, open_page):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    issuer, now = make_issuer(short_name="浦江科技"), timezone.now()
    meeting = make_meeting(issuer=issuer)
    looker = Looker(open_page(size=DESK, java_script_enabled=True, **look))
    page = looker.page

    looker.go(f"{live_server.url}/staff/login")
    looker.go(issue_pass(make_secretary(issuer), lifetime=timedelta(hours=1), now=now), "pass")
    page.locator("main button.primary").click()
    looker.look("meetings")
    for part in ("", "agenda", "reach"):
        looker.go(f"{live_server.url}/secretary/{meeting.pk}/{part}", f"{part}, under way")
    Meeting.objects.update(state="CLOSED", polls_sealed_at=now)
    looker.go(f"{live_server.url}/secretary/{meeting.pk}/onsite", "onsite, closed")
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)
    for part in ("", "onsite"):
        looker.go(f"{live_server.url}/secretary/{meeting.pk}/{part}", f"{part}, counted")

    assert looker.found == []


@pytest.mark.parametrize("look", LOOKS)
def test_the_notices_of_every_hour(look, live_server, settings, handset, open_page):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    issuer, now = make_issuer(short_name="浦江科技"), timezone.now()
    meeting = make_meeting(issuer=issuer)
    make_holders(meeting, 8)
    sent = Delivery.objects.of_campaign(start_campaign(meeting)).order_by("id")
    state_of = Delivery.State
    states = [state_of.DELIVERED, state_of.ACCEPTED, state_of.UNREACHED, state_of.UNKNOWN] * 2
    for hours, (delivery, state) in enumerate(zip(sent, states, strict=True)):
        at = now - timedelta(hours=hours)
        Delivery.objects.filter(pk=delivery.pk).update(state=state, changed_at=at)
    looker = Looker(open_page(size=DESK, java_script_enabled=True, **look))
    page = looker.page
    page.goto(issue_pass(make_secretary(issuer), lifetime=timedelta(hours=1), now=now))
    page.locator("main button.primary").click()

    looker.go(f"{live_server.url}/secretary/{meeting.pk}/reach", "hours")
    page.locator("details > summary").click()
    looker.look("hours in figures")

    assert looker.found == []
    expect(page.locator(".portal-columns")).to_be_visible()
    expect(page.locator("details tbody tr")).to_have_count(8)


def test_the_second_factors_page(live_server, settings, open_page):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    settings.STAFF_SECOND_FACTOR = True
    now = timezone.now()
    looker = Looker(open_page(java_script_enabled=True))

    looker.page.goto(issue_pass(make_operator(), lifetime=timedelta(hours=1), now=now))
    looker.page.locator("main button.primary").click()
    expect(looker.page).to_have_url(re.compile(reverse("identity:second-factor")))
    looker.look("second factor")

    assert looker.found == []
