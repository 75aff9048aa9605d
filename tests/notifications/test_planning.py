"""A large audience is frozen in the background, part by part, whoever dies in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from meetings import keys
from meetings.models import Meeting, MeetingKey
from notifications import campaigns, planning, suppressions, tasks
from notifications.models import Campaign, Delivery, Suppression
from notifications.planning import planning_progress
from notifications.preview import expiring_links
from notifications.routing import plan_of
from notifications.wording import default_wording
from tests.factories import make_holders, make_meeting, make_operator
from tests.gateways.http_ways import KEY, TWO_STEPS
from tests.notifications.conftest import PLANNER
from tests.notifications.processes import kill, wait_until

HOLDERS, PART = 30, 10
State = Campaign.State
# What a worker does, without a broker, in parts so short that one can be killed between two.
PLANNING = """
import django
django.setup()
from django.utils import timezone
from notifications import campaigns, planning
planning.PART_LENGTH = 100
while campaigns.plan_waiting(now=timezone.now()):
    pass
"""


@pytest.fixture(autouse=True)
def _large_is_small(monkeypatch, gateways):
    monkeypatch.setattr(campaigns, "PLANNED_AT_ONCE", HOLDERS - 1)
    monkeypatch.setattr(planning, "PART_LENGTH", PART)


@pytest.fixture
def meeting(db):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    return meeting


def plan(meeting, **words):
    now = timezone.now()
    words = {"plan": plan_of("sms"), "wording": default_wording(), "by": PLANNER} | words
    return campaigns.plan_campaign(meeting.pk, **words, now=now)


def go_on():
    return campaigns.plan_waiting(now=timezone.now())


def holders_told(campaign):
    told = Delivery.objects.of_campaign(campaign).order_by("holder_id")
    return list(told.values_list("holder_id", flat=True))


def test_a_long_register_is_planned_part_by_part(meeting):
    campaign = plan(meeting)
    assert (campaign.state, campaign.planned) == (State.PLANNING, 0)

    seen = []
    while go_on():
        campaign.refresh_from_db()
        seen.append((campaign.state, campaign.looked_at, campaign.planned))

    campaign.refresh_from_db()
    assert seen == [(State.PLANNING, 10, 10), (State.PLANNING, 20, 20)]
    assert (campaign.state, campaign.planned) == (State.DRAFT, HOLDERS)
    assert campaign.preview["told"] == HOLDERS
    assert len(set(holders_told(campaign))) == HOLDERS


def test_a_short_one_is_planned_at_once(meeting, monkeypatch):
    monkeypatch.setattr(campaigns, "PLANNED_AT_ONCE", HOLDERS)

    campaign = plan(meeting)

    assert (campaign.state, campaign.planned) == (State.DRAFT, HOLDERS)


def test_nothing_can_be_approved_before_it_is_planned(meeting):
    campaign = plan(meeting)
    go_on()

    with pytest.raises(campaigns.WrongState):
        campaigns.approve_campaign(campaign.pk, by="operator:2", now=timezone.now())

    campaign.refresh_from_db()
    assert campaign.state == State.PLANNING


def test_cancelled_while_it_is_planned_it_leaves_nothing(meeting):
    campaign = plan(meeting)
    go_on()

    campaigns.cancel_campaign(campaign.pk, by=PLANNER, now=timezone.now())

    assert not go_on()
    assert holders_told(campaign) == []
    assert not campaign.batches.exists()


def test_two_notices_planned_at_once_tell_nobody_twice(meeting):
    first, second = plan(meeting), plan(meeting)

    while go_on():
        pass

    told = holders_told(first) + holders_told(second)
    assert len(told) == len(set(told)) == HOLDERS


def test_without_anybody_to_tell_it_is_cancelled_and_says_why(meeting, client):
    for holder in range(1, HOLDERS + 1):
        suppressions.add_suppression(
            phone=f"154{holder:08d}",
            reason=Suppression.Reason.REQUEST,
            note="来电",
            by=PLANNER,
            now=timezone.now(),
        )
    campaign = plan(meeting)

    while go_on():
        pass

    campaign.refresh_from_db()
    client.force_login(make_operator())
    page = client.get(reverse("admin:notifications_campaign_change", args=[campaign.pk])).text
    assert campaign.state == State.CANCELLED
    assert f"未能确定发送对象：{campaign.pause_reason}" in page


@pytest.mark.parametrize("change", ["meeting cancelled", "keys destroyed"])
def test_what_cannot_be_planned_any_more_is_taken_back(meeting, change):
    campaign = plan(meeting)
    go_on()
    if change == "keys destroyed":
        MeetingKey.objects.filter(meeting=meeting).delete()
        keys.forget()
    else:
        Meeting.objects.filter(pk=meeting.pk).update(state=Meeting.State.CANCELLED)

    is_more_to_do = go_on()

    campaign.refresh_from_db()
    assert not is_more_to_do
    assert (campaign.state, campaign.planned) == (State.CANCELLED, 0)
    assert campaign.pause_reason
    assert holders_told(campaign) == []


def test_the_page_says_how_far_it_is_and_by_when_it_is_through(meeting, client):
    client.force_login(make_operator())
    campaign = plan(meeting)
    Campaign.objects.filter(pk=campaign.pk).update(
        planning_since=timezone.now() - timedelta(seconds=60)
    )
    go_on()

    page = client.get(reverse("admin:notifications_campaign_change", args=[campaign.pk])).text
    campaign.refresh_from_db()
    now = timezone.now()
    progress = planning_progress(campaign, now=now)

    assert "已查看名册 10 / 30 户，其中 10 户将收到" in page
    assert '<progress max="30" value="10"' in page
    assert timedelta(seconds=115) < progress.through_at - now < timedelta(seconds=150)
    assert 'http-equiv="refresh" content="2"' in page


def test_the_form_answers_at_once_and_a_worker_plans(meeting, client, monkeypatch):
    rung = []
    monkeypatch.setattr(tasks.plan, "delay", lambda: rung.append("plan"))
    client.force_login(make_operator())

    response = client.post(
        reverse("admin:notifications_campaign_add"),
        {
            "meeting": meeting.pk,
            "kind": "NOTICE",
            "alarm_percent": "20",
            "plan-sms-step": "1",
            "plan-sms-weight": "1",
            "send_from": "09:00",
            "send_until": "20:30",
        },
    )

    campaign = Campaign.objects.get()
    assert (response.status_code, rung) == (302, ["plan"])
    assert (campaign.state, campaign.planned) == (State.PLANNING, 0)
    tasks.plan()
    assert rung == ["plan", "plan"]  # a part at a time, so that other tasks have their turn


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_one_campaign_do_each_part_once(meeting):
    campaign = plan(meeting)
    together = Barrier(2)

    def work(_worker):
        together.wait()
        for _attempt in range(20):
            go_on()
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))

    campaign.refresh_from_db()
    assert (campaign.state, campaign.planned) == (State.DRAFT, HOLDERS)
    assert len(set(holders_told(campaign))) == HOLDERS
    assert meeting.journal.filter(verb="campaign.planned").count() == 1


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_goes_on_without_doubles(processes, surroundings):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 10_000)
    campaign = plan(meeting)
    environment = {"DJANGO_SETTINGS_MODULE": "voting_portal.settings", **surroundings()}

    worker = processes("-W", "ignore", "-c", PLANNING, **environment)
    wait_until(lambda: looked_at(campaign) > 1_000, ring=False)
    kill(worker)
    stood_at = looked_at(campaign)
    processes("-W", "ignore", "-c", PLANNING, **environment)
    wait_until(lambda: is_planned(campaign), ring=False, seconds=60)

    assert stood_at < 10_000
    told = holders_told(campaign)
    assert len(told) == len(set(told)) == 10_000


def looked_at(campaign):
    campaign.refresh_from_db()
    return campaign.looked_at


def is_planned(campaign):
    campaign.refresh_from_db()
    return campaign.state == State.DRAFT


@pytest.mark.parametrize(("days", "is_named"), [(6, False), (20, True)])
def test_a_card_whose_link_dies_before_the_polls_close_is_named(
    gateways, db, client, days, is_named
):
    gateways["card"] = {
        "dialect": "yuexin_links",
        "url": "http://127.0.0.1:9",
        "rate": 10_000,
        "receipt_key": KEY,
        **TWO_STEPS,
    }
    meeting = make_meeting(motions=False)
    make_holders(meeting, 3)
    campaign = plan(meeting, plan=plan_of("card"))
    close = timezone.now() + timedelta(days=days)
    Meeting.objects.filter(pk=meeting.pk).update(polls_close_at=close)
    campaign = Campaign.objects.get(pk=campaign.pk)

    client.force_login(make_operator())
    page = client.get(reverse("admin:notifications_campaign_change", args=[campaign.pk]))

    assert page.status_code == 200
    assert expiring_links(campaign, through=timezone.now()) == ({"card": 7} if is_named else {})
    assert ("通道“card”的卡片链接7天后失效" in page.text) == is_named
