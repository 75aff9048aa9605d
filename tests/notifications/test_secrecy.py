"""A reminder tells nobody who has voted, or how many, until the polls are sealed."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from ballots.models import Ballot
from meetings.models import JournalEntry, Meeting
from notifications import campaigns, reach
from notifications.models import Campaign, Delivery
from notifications.progress import progress
from notifications.wording import default_wording
from tests.factories import make_holders, make_meeting, make_operator
from tests.notifications.conftest import Running, start_campaign
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
PAGES = ("deliveries", "export", "dead-letters")


def vote(meeting, *indexes):
    for index in indexes:
        holder = ids.holder_id(meeting.pk, index)
        Ballot.objects.create(
            id=ids.ballot_id(holder, 0),
            holder_id=holder,
            share_class=0,
            shares=100,
            choices={},
            level=1,
            commitment=index.to_bytes(32),
            cast_at=timezone.now(),
        )


def remind(meeting):
    campaign = start_campaign(meeting, kind="REMINDER", wording=default_wording("REMINDER"))
    return Running(campaign, campaign.batches.get())


@pytest.fixture
def staff(client):
    client.force_login(make_operator())
    return client


@pytest.fixture
def meeting(db, gateways):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 30)
    return meeting


def page_of(running):
    return reverse("admin:notifications_campaign_change", args=[running.campaign.pk])


def told(text):
    """What a page says, without what differs from one campaign and request to the next."""
    panel = text.partition('<section class="portal-panel"')[2].partition("</section>")[0]
    lines = [line for line in panel.splitlines() if "csrf" not in line and "href" not in line]
    return [line for line in lines if "预计" not in line]


def test_an_audience_is_the_same_whoever_has_voted(meeting):
    before = campaigns.plan_campaign(meeting.pk, **_reminder(), by="operator:1", now=timezone.now())
    vote(meeting, 1, 2, 3)

    after = campaigns.plan_campaign(meeting.pk, **_reminder(), by="operator:1", now=timezone.now())

    assert (before.planned, after.planned) == (30, 30)
    assert before.preview == after.preview


def _reminder():
    return {
        "kind": "REMINDER",
        "plan": [[{"gateway": "sms", "weight": 1}]],
        "wording": default_wording("REMINDER"),
    }


def test_the_page_is_the_same_whoever_has_voted(meeting, staff):
    nobody_voted = remind(meeting)
    nobody_voted.send()
    page_before = staff.get(page_of(nobody_voted))
    vote(meeting, *range(1, 26))
    most_voted = remind(meeting)
    most_voted.send()

    page_after = staff.get(page_of(most_voted))

    assert (nobody_voted.states(), most_voted.states()) == (
        {"ACCEPTED": 30},
        {"ACCEPTED": 5, "SKIPPED": 25},
    )
    assert told(page_before.text) == told(page_after.text)
    assert "已处理 30 / 30" in page_after.text


@pytest.mark.parametrize(
    "state", ["SKIPPED", "UNKNOWN", "ACCEPTED", "FAILED", "UNREACHED", "DELIVERED", "DISPLAYED"]
)
def test_no_state_shows_on_the_page_of_a_reminder(meeting, staff, state):
    running = remind(meeting)
    Delivery.objects.of_campaign(running.campaign).update(
        state=Delivery.State[state], reason="MK:0001", changed_at=timezone.now()
    )

    page = staff.get(page_of(running))

    assert progress(running.campaign, now=timezone.now()).figures == ()
    assert "MK:0001" not in page.text
    assert str(Delivery.State[state].label) + "</th>" not in page.text
    assert "已处理 30 / 30" in page.text


def test_a_later_step_of_a_reminder_does_not_show(meeting, staff):
    running = remind(meeting)
    running.send()
    batch = running.campaign.batches.create(step=1, gateway="sms")
    first = running.deliveries[0]
    Delivery.objects.filter(pk=first.pk).update(state=Delivery.State.FAILED)
    Delivery.objects.create(
        id=first.pk + 1, holder_id=first.holder_id, batch=batch, changed_at=timezone.now()
    )

    page = staff.get(page_of(running))

    assert "已处理 30 / 30" in page.text


@pytest.mark.parametrize("name", PAGES)
def test_lists_and_files_of_a_reminder_are_forbidden_and_the_attempt_is_noted(meeting, staff, name):
    running = remind(meeting)
    running.send()

    answer = staff.get(reverse(f"admin:campaign-{name}", args=[running.campaign.pk]))

    assert answer.status_code == 403
    assert JournalEntry.objects.filter(meeting=meeting, verb="secrecy.attempt").count() == 1


@pytest.mark.parametrize("name", PAGES)
def test_after_the_seal_they_open(meeting, staff, name):
    running = remind(meeting)
    vote(meeting, 7)
    running.send()
    Meeting.objects.update(polls_sealed_at=timezone.now())

    answer = staff.get(reverse(f"admin:campaign-{name}", args=[running.campaign.pk]))
    page = staff.get(page_of(running))

    assert answer.status_code == 200
    assert "已投票" in page.text


@pytest.mark.parametrize("name", PAGES)
def test_a_notice_goes_to_everybody_so_its_lists_are_open(meeting, staff, name):
    campaign = start_campaign(meeting)
    vote(meeting, 7)
    Running(campaign, campaign.batches.get()).send()

    answer = staff.get(reverse(f"admin:campaign-{name}", args=[campaign.pk]))

    assert answer.status_code == 200
    assert not Delivery.objects.of_campaign(campaign).filter(reason="voted").exists()


def test_the_journal_does_not_count_what_a_reminder_did(meeting):
    vote(meeting, *range(1, 11))
    running = remind(meeting)
    running.send()
    running.deliveries.filter(state=Delivery.State.ACCEPTED).update(state=Delivery.State.UNREACHED)

    campaigns.retry_failed(running.campaign.pk, by="operator:1", now=timezone.now())

    details = meeting.journal.filter(verb__startswith="campaign.").values_list("details", flat=True)
    assert "20" not in str(list(details))


def test_a_reminder_pauses_without_saying_how_many_it_tried(gateways, break_it):
    meeting = make_meeting(motions=False)
    make_holders(meeting, 100)
    vote(meeting, *range(1, 31))
    running = remind(meeting)
    break_it(drop=True)

    running.send()

    campaign = Campaign.objects.get(pk=running.campaign.pk)
    assert campaign.state == "PAUSED"
    assert not any(number in campaign.pause_reason for number in ("50", "70", "30"))


def test_before_the_seal_the_funnel_does_not_even_ask_for_votes(meeting, django_assert_num_queries):
    vote(meeting, 1, 2, 3)

    with django_assert_num_queries(2) as asked:
        stages = reach.reach(meeting)

    assert [stage.name for stage in stages] == ["registered", "opened"]
    assert "ballot" not in " ".join(query["sql"] for query in asked.captured_queries)
