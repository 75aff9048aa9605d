"""The campaign's pages for staff: figures, steps by POST, and never a number or a link."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meetings.models import JournalEntry, Meeting
from notifications import campaigns, receipts
from notifications.models import Campaign, Delivery
from notifications.wording import default_wording
from tests.factories import make_holders, make_meeting, make_operator, make_secretary
from voting_portal.gateways.protocol import ReceiptLine, Report

pytestmark = pytest.mark.django_db
ADD = reverse("admin:notifications_campaign_add")


@pytest.fixture
def planner():
    return make_operator()


@pytest.fixture
def staff(client, planner):
    client.force_login(planner)
    return client


@pytest.fixture
def meeting():
    meeting = make_meeting(motions=False)
    make_holders(meeting, 3)
    return meeting


@pytest.fixture
def campaign(staff, meeting):
    staff.post(ADD, {"meeting": meeting.pk, "gateway": "sms", "wording": default_wording()})
    return Campaign.objects.get()


def page_of(campaign):
    return reverse("admin:notifications_campaign_change", args=[campaign.pk])


def step(client, campaign, name):
    url = reverse("admin:campaign-step", args=[campaign.pk, name])
    return client.post(url, follow=True)


def test_the_wording_comes_filled_in(staff):
    page = staff.get(ADD)

    assert default_wording() in page.text


def test_a_planned_campaign_shows_whom_it_would_tell_and_what_it_costs(campaign, staff, planner):
    page = staff.get(page_of(campaign))

    assert (campaign.state, campaign.created_by) == ("DRAFT", planner.actor)
    assert "按2条计费" in page.text
    assert "<td>3</td><td>0</td><td>0</td>" in page.text
    assert "/v/" + "•" * 25 in page.text


def test_a_bad_wording_is_shown_beside_its_field_and_plans_nothing(staff, meeting):
    page = staff.post(ADD, {"meeting": meeting.pk, "gateway": "sms", "wording": "【上证信息】"})

    assert "{链接}须出现" in page.text
    assert not Campaign.objects.exists()


def test_the_planner_cannot_approve_and_is_told_so(campaign, staff):
    page = step(staff, campaign, "approve")

    assert "复核" in page.text
    campaign.refresh_from_db()
    assert campaign.state == "DRAFT"


def test_two_people_bring_a_campaign_on_its_way(campaign, staff, gateways):
    campaigns.approve_campaign(campaign.pk, by="operator:0", now=timezone.now())

    page = step(staff, campaign, "start")

    campaign.refresh_from_db()
    assert campaign.state == "RUNNING"
    assert 'http-equiv="refresh"' in page.text
    assert '<progress max="3" value="0"' in page.text


def test_a_paused_campaign_says_why(running, staff):
    campaigns.pause_campaign(
        running.campaign.pk, by="system:sender", now=timezone.now(), reason="通道拒绝了请求"
    )

    page = staff.get(page_of(running.campaign))

    assert "暂停原因:通道拒绝了请求" in page.text
    assert 'http-equiv="refresh"' not in page.text


def test_the_pages_show_neither_numbers_nor_links(running, staff):
    running.send()
    Meeting.objects.update(polls_sealed_at=timezone.now())

    pages = [
        staff.get(page_of(running.campaign)),
        staff.get(reverse("admin:campaign-deliveries", args=[running.campaign.pk])),
        staff.get(reverse("admin:notifications_campaign_changelist")),
    ]

    for page in pages:
        assert page.status_code == 200
        assert "15400000001" not in page.text
        assert "/v/0" not in page.text
    assert "154****0001" in pages[1].text


def test_deliveries_are_found_by_state_a_page_at_a_time(running, staff, monkeypatch):
    monkeypatch.setattr("notifications.admin.DELIVERIES_ON_A_PAGE", 20)
    url = reverse("admin:campaign-deliveries", args=[running.campaign.pk])

    first = staff.get(url, {"state": Delivery.State.QUEUED})
    second = staff.get(url, {"state": Delivery.State.QUEUED, "after": "20"})
    other = staff.get(url, {"state": Delivery.State.FAILED})

    assert first.text.count("154****") == 20
    assert "after=20" in first.text
    assert second.text.count("154****") == 10
    assert "没有这样的记录" in other.text


def test_a_failure_shows_the_carriers_code(running, staff):
    running.send()
    first = running.deliveries[0]
    line = ReceiptLine(str(first.pk), Report.FAILED, "MK:0001")
    receipts.take_lines("sms", [line], now=timezone.now())
    receipts.apply_waiting(now=timezone.now())

    page = staff.get(page_of(running.campaign))

    assert "<td>发送失败</td><td>MK:0001</td><td>1</td>" in page.text


@pytest.mark.parametrize("states", [["ACCEPTED", "ACCEPTED"], ["SKIPPED", "DELIVERED"]])
def test_while_the_polls_are_open_the_pages_do_not_tell_who_has_voted(running, staff, states):
    for delivery, state in zip(running.deliveries[:2], states, strict=True):
        reason = "voted" if state == "SKIPPED" else ""
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State[state], reason=reason)
    url = reverse("admin:campaign-deliveries", args=[running.campaign.pk])

    page, listed = staff.get(page_of(running.campaign)), staff.get(url)
    asked = staff.get(url, {"state": Delivery.State.SKIPPED})

    assert "voted" not in page.text + listed.text
    assert "无需发送</th>" not in page.text
    assert "<td>2</td>" in page.text
    assert listed.text.count("154****") == len(running.deliveries) - 2
    assert asked.status_code == 403
    assert JournalEntry.objects.filter(verb="secrecy.attempt").count() == 1


@pytest.mark.parametrize("name", ["approve", "start", "pause", "resume", "cancel"])
def test_steps_are_for_staff_and_for_post_only(campaign, client, meeting, name):
    url = reverse("admin:campaign-step", args=[campaign.pk, name])

    assert client.get(url).status_code == 405
    client.force_login(make_secretary(meeting.issuer))
    assert client.post(url).status_code == 302

    campaign.refresh_from_db()
    assert campaign.state == "DRAFT"


def test_another_site_cannot_press_the_buttons(campaign, planner, settings):
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(planner)

    response = stranger.post(reverse("admin:campaign-step", args=[campaign.pk, "cancel"]))

    assert response.status_code == 403
    campaign.refresh_from_db()
    assert campaign.state == "DRAFT"


def test_unknown_steps_and_campaigns_are_not_found(campaign, staff):
    for arguments in ([campaign.pk, "explode"], [campaign.pk + 1, "cancel"]):
        url = reverse("admin:campaign-step", args=arguments)
        assert staff.post(url).status_code == 404
    assert staff.get(reverse("admin:campaign-deliveries", args=[0])).status_code == 404


def test_nothing_of_a_campaign_can_be_changed_or_deleted(campaign, staff):
    staff.post(page_of(campaign), {"wording": "【上证信息】 {链接} "})
    delete = reverse("admin:notifications_campaign_delete", args=[campaign.pk])

    assert staff.post(delete, {"post": "yes"}).status_code == 403
    campaign.refresh_from_db()
    assert campaign.wording == default_wording()
