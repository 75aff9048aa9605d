"""The admin in a real browser: no page breaks the Content-Security-Policy or stops anybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from identity.grants import ask_for_roles
from identity.institutions import open_entry
from identity.staff import issue_pass
from meetings import lifecycle
from meetings.models import Register
from meetings.preparing import name_insider, recuse
from notifications import campaigns, suppressions
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holder, make_issuer, make_meeting, make_operator
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


def make_everything():
    """One of each thing that the admin has a page for; the addresses of their own pages."""
    now = timezone.now()
    draft = make_meeting(state="DRAFT", issuer=make_issuer(short_name="浦江科技"))
    Register.objects.create(
        meeting=draft,
        version=1,
        state="RECEIVED",
        progress=40,
        file_name="t1.dbf",
        file_size=1,
        sha256="0" * 64,
        uploaded_by="operator:1",
        uploaded_at=now,
    )
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
        reverse("admin:notifications_campaign_change", args=[campaign.pk]),
        reverse("admin:campaign-deliveries", args=[campaign.pk]),
        reverse("admin:campaign-dead-letters", args=[campaign.pk]),
        reverse("admin:vote-import", args=[make_meeting(state="CLOSED").pk]),
    ]


def addresses_of_the_front_page(page):
    links = page.locator("#content-main a").evaluate_all("all => all.map(a => a.pathname)")
    return sorted(set(links))


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_of_the_admin_stops_anybody(look, live_server, settings, open_page):
    own = make_everything()
    page = open_page(size=DESK, java_script_enabled=True, **look)
    sign_in(page, live_server, settings)
    looker = Looker(page)
    looker.look("front page")

    for path in [*addresses_of_the_front_page(page), *own]:
        looker.go(live_server.url + path)

    assert looker.found == []
