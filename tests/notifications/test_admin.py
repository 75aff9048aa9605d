"""The campaign's pages for staff: figures, steps by POST, and never a number or a link."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meetings.models import Meeting
from notifications import campaigns, receipts
from notifications.models import Campaign, Delivery
from notifications.wording import LinkMode, default_wording
from tests.factories import make_holder, make_holders, make_meeting, make_operator, make_secretary
from tests.notifications.conftest import SECRET, start_campaign
from voting_portal.common.roles import Role
from voting_portal.gateways import signing

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


def form_of(meeting, **fields):
    return {
        "meeting": meeting.pk,
        "kind": "NOTICE",
        "plan-sms-step": "1",
        "plan-sms-weight": "1",
        "send_from": "09:00",
        "send_until": "20:30",
        "alarm_percent": "20",
        **fields,
    }


@pytest.fixture
def campaign(staff, meeting):
    staff.post(ADD, form_of(meeting))
    return Campaign.objects.get()


def page_of(campaign):
    return reverse("admin:notifications_campaign_change", args=[campaign.pk])


def url_of(campaign, name, *arguments):
    return reverse(f"admin:campaign-{name}", args=[campaign.pk, *arguments])


def step(client, campaign, name, **fields):
    return client.post(url_of(campaign, "step", name), fields, follow=True)


def test_a_form_with_nothing_special_plans_a_notice_in_the_standard_words(campaign, planner):
    assert (campaign.state, campaign.kind, campaign.planned) == ("DRAFT", "NOTICE", 3)
    assert (campaign.wording, campaign.code_wording) == (default_wording(), "")
    assert campaign.created_by == planner.actor


def test_the_form_offers_the_configured_gateways(staff, settings):
    settings.GATEWAYS = {
        **settings.GATEWAYS,
        "sms-b": {**settings.GATEWAYS["sms"], "price": "0.045", "link_mode": "code"},
    }

    page = staff.get(ADD)

    assert 'name="plan-sms-step"' in page.text
    assert 'name="plan-sms-b-weight"' in page.text
    assert "<td>0.045</td>" in page.text


def test_gateways_of_a_step_share_and_steps_close_up(staff, meeting, settings):
    sms = settings.GATEWAYS["sms"]
    settings.GATEWAYS = {"sms": sms, "b": sms, "c": {**sms, "link_mode": "code"}}
    form = {
        "plan-sms-step": "1",
        "plan-sms-weight": "3",
        "plan-b-step": "1",
        "plan-b-weight": "1",
        "plan-c-step": "3",
        "plan-c-weight": "1",
    }

    staff.post(ADD, form_of(meeting, **form))

    campaign = Campaign.objects.get()
    assert campaign.plan == [
        [{"gateway": "sms", "weight": 3}, {"gateway": "b", "weight": 1}],
        [{"gateway": "c", "weight": 1}],
    ]
    assert campaign.code_wording == default_wording(mode=LinkMode.CODE)


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"wording": "【上证信息】"}, "wording", "变量{链接}须出现"),
        ({"plan-sms-step": "0"}, "plan", "须有1至8步"),
        ({"plan-sms-weight": "many"}, "plan", "权重"),
        ({"send_from": "07:00"}, "", "8:00至22:00"),
        ({"alarm_percent": "0"}, "alarm_percent", "1"),
        ({"start_at": "2020-01-01T09:00"}, "start_at", "已经过去"),
        ({"kind": "RESULT"}, "meeting", "不能发送结果通知"),
        ({"kind": "CORRECTION"}, "", "没有可以发送的股东"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_plans_nothing(
    staff, meeting, fields, field, why
):
    page = staff.post(ADD, form_of(meeting, **fields))

    errors = page.context["form"].errors
    assert page.status_code == 422
    assert [why in str(errors[name]) for name in errors] == [True]
    assert list(errors) == [field or "__all__"]
    assert not Campaign.objects.exists()


def test_a_planned_campaign_shows_whom_it_would_tell_and_what_it_costs(staff, settings):
    settings.GATEWAYS["sms"]["price"] = "0.05"
    meeting = make_meeting(motions=False)
    make_holders(meeting, 3)
    make_holder(meeting, phone="")
    make_holder(meeting, kind="N")
    staff.post(ADD, form_of(meeting))

    page = staff.get(page_of(Campaign.objects.get()))

    assert "发送对象 3 户" in page.text
    assert "2段 × 3条" in page.text
    assert '<td class="portal-number">0.30</td>' in page.text  # 3 messages x 2 segments
    assert "没有手机号码" in page.text
    assert "/v/" + "•" * 25 in page.text
    assert "将按多条计费" in page.text
    del settings.GATEWAYS["sms"]["price"]


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
    assert "已处理 0 / 3" in page.text
    assert "portal-part-waiting" in page.text


def test_who_made_and_approved_a_campaign_is_named(campaign, staff, planner):
    checker = make_operator(roles=[Role.APPROVER])
    campaigns.approve_campaign(campaign.pk, by=checker.actor, now=timezone.now())

    page = staff.get(reverse("admin:notifications_campaign_change", args=[campaign.pk])).text

    assert f"创建人 {planner.username} · 复核人 {checker.username}" in page
    assert "operator:" not in page


def test_a_paused_campaign_says_why(running, staff):
    campaigns.pause_campaign(
        running.campaign.pk, by="system:sender", now=timezone.now(), reason="通道拒绝了请求"
    )

    page = staff.get(page_of(running.campaign))

    assert "暂停原因：通道拒绝了请求" in page.text
    assert 'http-equiv="refresh"' not in page.text


def test_at_night_the_page_says_when_it_goes_on(running, client, planner, monkeypatch):
    Meeting.objects.update(is_rehearsal=False)
    night = (timezone.now() + timedelta(days=1)).replace(hour=14, minute=0)  # 22:00 in Beijing
    monkeypatch.setattr("django.utils.timezone.now", lambda: night)
    client.force_login(planner)  # whoever signed in by day is signed out

    page = client.get(page_of(running.campaign))

    assert "现在是免打扰时段" in page.text
    assert "09:00起继续发送" in page.text


def test_the_pages_show_neither_numbers_nor_links(running, staff):
    running.send()

    pages = [
        staff.get(url)
        for url in (
            page_of(running.campaign),
            url_of(running.campaign, "deliveries"),
            url_of(running.campaign, "dead-letters"),
            reverse("admin:notifications_campaign_changelist"),
            reverse("admin:meeting-reach", args=[running.campaign.meeting_id]),
        )
    ]

    for page in pages:
        assert page.status_code == 200
        assert "15400000001" not in page.text
        assert "/v/0" not in page.text
    assert "154****0001" in pages[1].text


def test_deliveries_are_found_by_state_a_page_at_a_time(running, staff, monkeypatch):
    monkeypatch.setattr("notifications.admin.deliveries.DELIVERIES_ON_A_PAGE", 20)
    url = url_of(running.campaign, "deliveries")

    first = staff.get(url, {"state": Delivery.State.QUEUED})
    last_shown = running.deliveries[19].pk
    second = staff.get(url, {"state": Delivery.State.QUEUED, "after": last_shown})
    other = staff.get(url, {"state": Delivery.State.FAILED})

    assert first.text.count("154****") == 20
    assert f"after={last_shown}" in first.text
    assert second.text.count("154****") == 10
    assert "没有这样的记录" in other.text


def test_odd_questions_for_deliveries_are_answered_with_none(running, staff):
    url = url_of(running.campaign, "deliveries")

    for query in ({"state": "9" * 30}, {"after": "9" * 30}, {"state": "x", "after": "-1"}):
        assert staff.get(url, query).status_code == 200


def test_a_failure_shows_the_carriers_code(running, staff):
    running.send()
    first = running.deliveries[0]
    take_in(json.dumps([{"id": str(first.pk), "status": "failed", "code": "MK:0001"}]).encode())

    page = staff.get(page_of(running.campaign))

    assert "<td>MK:0001</td>" in page.text
    assert running.deliveries[0].state == Delivery.State.FAILED


def take_in(body):
    now = timezone.now()
    headers = signing.signed_headers(SECRET, body, now=now)
    receipts.take_in("sms", headers=headers, body=body, now=now)
    receipts.apply_waiting(now=now)


def test_dead_letters_offer_what_may_be_done(running, staff):
    first, second = running.deliveries[:2]
    Delivery.objects.filter(pk=first.pk).update(state=Delivery.State.UNREACHED)
    Delivery.objects.filter(pk=second.pk).update(state=Delivery.State.UNKNOWN)

    page = staff.get(url_of(running.campaign, "dead-letters"))
    retried = step(staff, running.campaign, "retry")
    unwarned = step(staff, running.campaign, "release")
    state_unwarned = Delivery.objects.get(pk=second.pk).state
    step(staff, running.campaign, "release", is_understood="yes")

    assert "重发这 1 条" in page.text
    assert "一部分可能已经送达" in page.text
    assert "已执行" in retried.text
    assert "请先勾选" in unwarned.text
    assert state_unwarned == Delivery.State.UNKNOWN
    assert running.states() == {"QUEUED": 30}


def test_a_trial_goes_to_ones_own_phone_and_the_number_stays_nowhere(
    gateways, simulator, staff, meeting
):
    staff.post(ADD, form_of(meeting))
    campaign = Campaign.objects.get()

    page = staff.post(
        url_of(campaign, "trial"), {"phone": "154 9999 0001", "gateway": "sms"}, follow=True
    )

    (message,) = simulator.inbox.read(limit=9)
    entry = meeting.journal.latest("id")
    assert "通道已接收" in page.text
    assert message.phone == "15499990001"
    assert "/v/" + "0" * 25 in message.text
    assert entry.verb == "campaign.tried"
    assert "9999" not in str(entry.details) + page.text


def test_trials_are_few_an_hour(gateways, simulator, staff, meeting, monkeypatch):
    staff.post(ADD, form_of(meeting))
    trial = url_of(Campaign.objects.get(), "trial")

    pages = [
        staff.post(trial, {"phone": "15499990001", "gateway": "sms"}, follow=True)
        for _attempt in range(11)
    ]

    assert "尝试次数过多" in pages[-1].text
    assert len(simulator.inbox.read(limit=99)) == 10


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"phone": "12345", "gateway": "sms"}, "11位"),
        ({"phone": "15499990001", "gateway": "pigeon"}, "不在发送方案中"),
    ],
)
def test_a_trial_to_nowhere_is_refused(campaign, staff, fields, why):
    page = staff.post(url_of(campaign, "trial"), fields, follow=True)

    assert why in page.text
    assert not campaign.meeting.journal.filter(verb="campaign.tried").exists()


def test_a_campaign_on_its_way_is_not_tried_out(running, staff, simulator):
    fields = {"phone": "15499990001", "gateway": "sms"}

    page = staff.post(url_of(running.campaign, "trial"), fields, follow=True)

    assert "不能执行这一步" in page.text
    assert not simulator.inbox.read(limit=9)


@pytest.mark.parametrize("name", ["approve", "start", "pause", "resume", "cancel", "retry"])
def test_steps_are_for_staff_and_for_post_only(campaign, client, meeting, name):
    url = url_of(campaign, "step", name)

    assert client.get(url).status_code == 405
    client.force_login(make_secretary(meeting.issuer))
    assert client.post(url).status_code == 302

    campaign.refresh_from_db()
    assert campaign.state == "DRAFT"


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("OPERATOR", {"form", "step/cancel", "trial", "deliveries", "reach"}),
        ("APPROVER", {"step/approve", "deliveries", "reach"}),
        ("AUDITOR", {"deliveries", "reach"}),
        ("SYSTEM", set()),
    ],
)
def test_each_role_finds_only_its_own(campaign, role, may):
    browser = Client()
    browser.force_login(make_operator(roles=[role]))
    asked = {
        "form": browser.get(ADD),
        "deliveries": browser.get(url_of(campaign, "deliveries")),
        "reach": browser.get(reverse("admin:meeting-reach", args=[campaign.meeting_id])),
        "step/approve": browser.post(url_of(campaign, "step", "approve")),
        "trial": browser.post(url_of(campaign, "trial")),
        "step/cancel": browser.post(url_of(campaign, "step", "cancel")),
    }

    assert {name for name, answer in asked.items() if answer.status_code != 404} == may


def test_another_site_cannot_press_the_buttons(campaign, planner, settings):
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(planner)

    response = stranger.post(url_of(campaign, "step", "cancel"))

    assert response.status_code == 403
    campaign.refresh_from_db()
    assert campaign.state == "DRAFT"


def test_unknown_steps_and_campaigns_are_not_found(campaign, staff):
    for arguments in ([campaign.pk, "explode"], [campaign.pk + 1, "cancel"]):
        url = reverse("admin:campaign-step", args=arguments)
        assert staff.post(url).status_code == 404
    for name in ("deliveries", "export", "dead-letters"):
        assert staff.get(reverse(f"admin:campaign-{name}", args=[0])).status_code == 404
    assert staff.post(reverse("admin:campaign-trial", args=[0])).status_code == 404


def test_nothing_of_a_campaign_can_be_changed_or_deleted(campaign, staff):
    staff.post(page_of(campaign), {"wording": "【上证信息】 {链接} "})
    delete = reverse("admin:notifications_campaign_delete", args=[campaign.pk])

    assert staff.post(delete, {"post": "yes"}).status_code == 403
    campaign.refresh_from_db()
    assert campaign.wording == default_wording()


def test_the_list_names_kind_and_plan(staff, meeting):
    start_campaign(meeting, kind="REMINDER", wording=default_wording("REMINDER"))

    page = staff.get(reverse("admin:notifications_campaign_changelist"))

    assert "催投提醒" in page.text
    assert "sms" in page.text


def test_a_new_campaign_begins_with_what_the_issuers_last_notice_said(staff, campaign, meeting):
    Campaign.objects.update(wording="【上证信息】{简称}股东会投票 {链接} 沿用")
    following = make_meeting(motions=False, issuer=meeting.issuer)
    other = make_meeting(motions=False)

    page = staff.get(ADD, {"meeting": following.pk}).text
    elsewhere = staff.get(ADD, {"meeting": other.pk}).text

    assert "沿用" in page
    assert "沿用" not in elsewhere
