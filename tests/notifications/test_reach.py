"""How far the notices of a meeting reach, from the register to the vote."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from identity.models import Challenge
from meetings.models import Meeting
from notifications.models import Delivery
from notifications.progress import notices_by_hour
from notifications.reach import reach
from tests.factories import make_holders, make_meeting, make_operator, make_secretary
from tests.notifications.conftest import start_campaign
from tests.notifications.test_secrecy import vote
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
State = Delivery.State


def press_the_button(meeting, *indexes, passed=()):
    """Holders who asked for a code, each twice, and those of them who answered it."""
    now = timezone.now()
    for index in (*indexes, *indexes):
        Challenge.objects.create(
            holder_id=ids.holder_id(meeting.pk, index),
            phone_index=b"1",
            browser_hash=b"1",
            code_hash=b"1",
            sent_at=now,
            expires_at=now + timedelta(minutes=10),
            passed_at=now if index in passed else None,
        )


@pytest.fixture
def meeting(gateways):
    """Of 40 holders 39 have a notice, 30 of them for certain; 25 pressed the button."""
    meeting = make_meeting(motions=False)
    make_holders(meeting, 40)
    deliveries = Delivery.objects.of_campaign(start_campaign(meeting)).order_by("id")
    by_index = {ids.index_of(delivery.holder_id): delivery.pk for delivery in deliveries}
    for state, indexes in (
        (State.DELIVERED, range(1, 21)),
        (State.DISPLAYED, range(21, 31)),
        (State.ACCEPTED, range(31, 39)),
        (State.UNKNOWN, [39]),
    ):
        Delivery.objects.filter(pk__in=[by_index[i] for i in indexes]).update(state=state)
    press_the_button(meeting, *range(1, 26), passed=range(1, 13))
    vote(meeting, *range(1, 12))
    return meeting


def figures(meeting):
    return {stage.name: stage.holders for stage in reach(meeting)}


def test_before_the_seal_openings_are_rounded_and_votes_are_not_there(meeting):
    found = reach(meeting)

    assert figures(meeting) == {"registered": 40, "sent": 39, "delivered": 30, "opened": 20}
    assert [stage.is_rounded for stage in found] == [False, False, False, True]


def test_after_the_seal_the_funnel_goes_on_to_the_vote(meeting):
    Meeting.objects.update(polls_sealed_at=timezone.now())
    meeting.refresh_from_db()

    assert figures(meeting) == {
        "registered": 40,
        "sent": 39,
        "delivered": 30,
        "opened": 25,
        "verified": 12,
        "voted": 11,
    }
    assert reach(meeting)[-1].percent == 27.5


def test_a_holder_counts_once_however_many_steps_it_took(meeting):
    before = figures(meeting)
    delivery = Delivery.objects.of_campaign(meeting.campaigns.get()).order_by("id")[0]
    Delivery.objects.create(
        id=delivery.pk + 1,
        holder_id=delivery.holder_id,
        batch_id=delivery.batch_id,
        state=State.DELIVERED,
        changed_at=timezone.now(),
    )

    assert figures(meeting) == before


def test_reminders_and_other_meetings_do_not_count(meeting):
    before = figures(meeting)
    other = make_meeting(motions=False)
    make_holders(other, 5)
    start_campaign(other)
    press_the_button(other, 1, 2, 3)
    reminder = start_campaign(meeting, kind="REMINDER")
    Delivery.objects.of_campaign(reminder).update(state=State.DELIVERED)

    assert figures(meeting) == before


def test_until_the_first_notice_leaves_the_funnel_has_no_stage_of_notices(gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 12)
    press_the_button(meeting, 1, 2, 3)

    registered, opened = reach(meeting)

    assert (registered.name, registered.figure) == ("registered", "12")
    assert (opened.name, opened.figure) == ("opened", "< 10")  # a rounded nothing says no more


def test_a_meeting_without_anybody_has_an_empty_funnel(gateways):
    meeting = make_meeting(motions=False)

    assert {stage.holders for stage in reach(meeting)} == {0}


def test_the_meeting_leads_to_its_funnel_as_picture_and_table(meeting, client):
    client.force_login(make_operator())

    page_of_meeting = client.get(reverse("admin:meetings_meeting_change", args=[meeting.pk]))
    page = client.get(reverse("admin:meeting-reach", args=[meeting.pk]))

    assert reverse("admin:meeting-reach", args=[meeting.pk]) in page_of_meeting.text
    assert page.text.split("</svg>")[-3].count("<rect") == 4
    assert "已送达" in page.text
    assert "≥ 20" in page.text
    assert client.get(reverse("admin:meeting-reach", args=[0])).status_code == 404


def test_notices_are_shown_hour_by_hour_and_reminders_are_not(meeting, client):
    notices = Delivery.objects.of_campaign(meeting.campaigns.get())
    early = timezone.now().replace(minute=5, second=0, microsecond=0) - timedelta(hours=5)
    notices.filter(state=State.DELIVERED).update(changed_at=early)
    notices.filter(state=State.DISPLAYED).update(changed_at=early + timedelta(hours=2))
    reminder = start_campaign(meeting, kind="REMINDER")
    Delivery.objects.of_campaign(reminder).update(state=State.DELIVERED, changed_at=early)
    client.force_login(make_secretary(meeting.issuer))

    hours = notices_by_hour(meeting.pk, now=timezone.now())
    page = client.get(reverse("notifications:reach", args=[meeting.pk])).text

    assert [(hour.arrived, hour.handed, hour.unknown) for hour in hours] == [
        (20, 0, 0),
        (10, 0, 0),
        (0, 8, 1),
    ]
    assert hours[0].begins_at == early.replace(minute=0)
    assert f'<th scope="row">{timezone.localtime(hours[0].begins_at):%m-%d %H:%M}</th>' in page
    assert 'class="portal-columns"' in page


def test_the_hours_are_the_same_whether_anybody_has_voted(meeting):
    before = notices_by_hour(meeting.pk, now=timezone.now())

    vote(meeting, *range(12, 40))
    press_the_button(meeting, *range(26, 40), passed=range(26, 40))

    assert notices_by_hour(meeting.pk, now=timezone.now()) == before


def test_before_anything_left_the_page_says_so(gateways, client):
    meeting = make_meeting(motions=False)
    client.force_login(make_secretary(meeting.issuer))

    page = client.get(reverse("notifications:reach", args=[meeting.pk])).text

    assert "会议通知还没有开始发送。" in page
    assert 'class="portal-columns"' not in page
