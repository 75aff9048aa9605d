"""The admin in a real browser: no page breaks the Content-Security-Policy or stops anybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from ballots.models import Ballot
from identity.grants import ask_for_roles
from identity.institutions import open_entry
from identity.staff import issue_pass
from meetings import lifecycle
from meetings.preparing import name_insider, recuse
from notifications import campaigns, suppressions
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holder, make_issuer, make_meeting, make_operator, make_register
from tests.journeys.conftest import DESK
from tests.journeys.test_accessibility import LOOKS, Looker
from voting_portal.common.roles import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ALL_ROLES = [role for role in Role if role is not Role.SECRETARY]


def sign_in(page, live_server, settings):
    settings.PUBLIC_URL = settings.STAFF_URL = live_server.url
    now = timezone.now()
    page.goto(issue_pass(make_operator(roles=ALL_ROLES), lifetime=timedelta(hours=1), now=now))
    page.locator("main button.primary").click()
    expect(page).to_have_url(re.compile("/admin/$"))
    page.wait_for_load_state()  # the address is there before the page


def make_everything():
    """One of each thing that the admin has a page for; the addresses of their own pages."""
    now = timezone.now()
    draft = make_meeting(state="DRAFT", issuer=make_issuer(short_name="浦江科技"))
    make_register(draft, state="RECEIVED", progress=40)
    invited = make_meeting(state="REGISTER_LOADED")
    make_holder(invited)
    make_holder(invited, kind="N", account="D123456789")
    lifecycle.confirm_motions(invited.pk, by="operator:1", now=now)
    lifecycle.invite(invited.pk, by="operator:2", now=now)
    recuse(invited.motions.get(group=1), account="A000000001", name="甲", by="operator:1", now=now)
    name_insider(invited.pk, account="A000000001", name="甲", by="operator:1", now=now)
    open_entry(invited.pk, account="D123456789", by="operator:1", now=now)
    campaign = campaigns.plan_campaign(
        invited.pk, wording=default_wording(), plan=plan_of("sms"), by="operator:1", now=now
    )
    suppressions.add_suppression(
        phone="15400000009", reason="REQUEST", note="来电", by="operator:1", now=now
    )
    ask_for_roles(make_operator().pk, roles=[Role.AUDITOR], by="operator:0", now=now)
    of_meeting = [
        reverse(f"admin:{name}", args=[meeting.pk])
        for meeting in (draft, invited)
        for name in ("meetings_meeting_change", "meeting-register", "meeting-list")
    ]
    return [
        *of_meeting,
        *(
            reverse(f"admin:meeting-{name}", args=[draft.pk])
            for name in ("agenda", "copy", "journal")
        ),
        *(reverse(f"admin:meeting-{name}", args=[invited.pk]) for name in ("links", "reach")),
        reverse("admin:holder-unmask", args=[invited.pk]),
        reverse("admin:notifications_campaign_change", args=[campaign.pk]),
        reverse("admin:campaign-deliveries", args=[campaign.pk]),
        reverse("admin:campaign-dead-letters", args=[campaign.pk]),
        reverse("admin:vote-import", args=[make_meeting(state="CLOSED").pk]),
    ]


def addresses_of_the_front_page(page):
    links = page.locator("#content-main a").evaluate_all("all => all.map(a => a.pathname)")
    return sorted(set(links))


def test_no_page_of_the_admin_breaks_the_content_security_policy(live_server, settings, open_page):
    own = make_everything()
    page = open_page(size=DESK, java_script_enabled=True)
    sign_in(page, live_server, settings)
    paths = [*addresses_of_the_front_page(page), *own]

    answers = {path: page.goto(live_server.url + path).status for path in paths}

    assert len(answers) > 45
    assert set(answers.values()) == {200}  # the page's console is looked at when it is closed


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_of_an_operators_day_stops_anybody(look, live_server, settings, open_page):
    draft, *others, vote_import = make_everything()
    # axe itself sets styles that the policy forbids; the test above asks about the policy.
    page = open_page(size=DESK, java_script_enabled=True, bypass_csp=True, **look)
    sign_in(page, live_server, settings)
    looker = Looker(page)

    looker.look("front page")
    for path in (
        draft,
        reverse("admin:meetings_meeting_changelist"),
        reverse("admin:meetings_importprofile_add"),
        vote_import,
    ):
        looker.go(live_server.url + path)
    looker.go(f"{live_server.url}{reverse('admin:meetings_calendaryear_add')}", "calendar")
    page.locator("#id_text").fill("1月1日(星期五)休市")
    page.locator("input.default").click()
    looker.look("calendar with faults")
    page.goto(live_server.url + draft)
    page.locator('a[href$="/agenda/"]').first.click()
    file = {"name": "m.csv", "mimeType": "text/csv", "buffer": "序号,议案名称\n1,一\n1,二".encode()}
    page.locator("#id_file").set_input_files(file)
    page.locator("input.default").last.click()
    looker.look("motions with faults")
    looker.go(live_server.url + next(path for path in others if path.endswith("/holder/")))
    page.locator("#id_sought").fill("A000000001")
    page.locator("#id_reason").select_option("PHONE_OLD")
    page.locator("#id_call").fill("H-42")
    page.locator("input.default").click()
    page.get_by_text("15400000001").wait_for()
    looker.look("a holder's registered data")

    assert looker.found == []


def test_a_preview_looks_like_the_phone_and_votes_nothing(live_server, settings, open_page):
    meeting = make_meeting(state="DRAFT", issuer=make_issuer(short_name="浦江科技"))
    page = open_page(java_script_enabled=False)
    sign_in(page, live_server, settings)

    page.goto(live_server.url + reverse("admin:ballots-preview", args=[meeting.pk]))
    expect(page.get_by_text("不产生表决")).to_be_visible()
    page.get_by_role("button", name="开始投票").click()
    page.get_by_role("button", name="全部同意").click()
    expect(page.locator("[id='m-1.00-FOR']")).to_be_checked()
    page.get_by_role("button", name="大字版").click()
    expect(page.locator("html")).to_have_class("large")
    expect(page.locator("[id='m-1.00-FOR']")).to_be_checked()
    page.get_by_role("button", name="下一步").last.click()
    expect(page.get_by_role("heading", name="核对表决票")).to_be_visible()
    page.get_by_role("button", name="确认投票").click()

    expect(page.get_by_text("不产生表决")).to_be_visible()
    expect(page).to_have_url(re.compile("/done/"))
    assert not Ballot.objects.of_meeting(meeting.pk).exists()


def test_candidates_are_asked_for_where_votes_are_cumulative(live_server, settings, open_page):
    meeting = make_meeting(state="DRAFT")
    page = open_page(size=DESK, java_script_enabled=True)
    sign_in(page, live_server, settings)
    page.goto(live_server.url + reverse("admin:meetings_meeting_change", args=[meeting.pk]))

    expect(page.locator("#id_motions-0-candidate_lines")).to_be_hidden()
    expect(page.locator("#id_motions-0-number")).to_be_visible()
    expect(page.locator("#id_motions-2-candidate_lines")).to_be_visible()
    page.locator("#id_motions-0-kind").select_option("CUMULATIVE")

    expect(page.locator("#id_motions-0-candidate_lines")).to_be_visible()
    expect(page.locator("#id_motions-0-seats")).to_be_visible()
