"""What the monitoring is told, what it is not, and who may ask."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings as portal
from django.db import OperationalError
from django.utils import timezone

from identity import limits
from identity.links import personal_url
from meetings.models import Meeting
from notifications.models import Campaign, Delivery, DeliveryBatch, Receipt
from tests.factories import make_holder, make_holders, make_meeting
from tests.notifications.conftest import start_campaign
from voting_portal import facts, tasks

pytestmark = pytest.mark.django_db
ANSWERS = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "1500", "c-3.02": "500"}


@pytest.fixture
def running(db):
    """A campaign to ten holders that has begun."""
    meeting = make_meeting()
    make_holders(meeting, 10)
    return start_campaign(meeting)


# --- Who may ask -----------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic YTpi"])
def test_who_has_no_token_finds_nothing(client, scraper, header):
    answer = client.get("/metrics", headers={"authorization": header})

    assert answer.status_code == 404
    assert "portal_" not in answer.text


def test_without_a_token_in_the_settings_nobody_is_answered(client, settings):
    settings.METRICS_TOKEN = ""

    answer = client.get("/metrics", headers={"authorization": "Bearer "})

    assert answer.status_code == 404


def test_only_the_metrics_are_answered_under_an_address_that_is_no_host_of_ours(client, scraper):
    scraper.text()

    assert client.get("/live", headers={"host": "10.1.2.3:8000"}).status_code == 400


# --- What is told ----------------------------------------------------------------------------


def test_requests_are_counted_by_view_and_status_not_by_address(client, scraper):
    before = scraper.value("portal_requests_total", view="ballots:help", status="200")
    client.get("/help")
    client.get("/no-such-page-of-154-0000-0001")

    series = scraper.series()

    key = ("portal_requests_total", (("status", "200"), ("view", "ballots:help")))
    assert series[key] == before + 1
    assert ("portal_requests_total", (("status", "404"), ("view", "none"))) in series
    assert not [name for name, labels in series if "no-such-page" in str(labels)]


def test_links_not_in_force_and_limits_that_were_hit_are_counted(client, scraper):
    links = scraper.value("portal_invalid_links_total")
    hits = scraper.value("portal_limits_hit_total", limit="invalid-link")
    tries = limits.INVALID_LINKS.count + 2

    limits.forget()
    for _try in range(tries):
        client.get("/v/1abcd2efgh3ijkl4mnop5qrst")
    limits.forget()

    assert scraper.value("portal_invalid_links_total") == links + tries
    assert scraper.value("portal_limits_hit_total", limit="invalid-link") == hits + 2


def test_codes_are_counted_by_what_became_of_them(client, handset, scraper):
    holder = make_holder(make_meeting())
    before = scraper.value("portal_codes_total", outcome="accepted")

    client.post(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")

    assert scraper.value("portal_codes_total", outcome="accepted") == before + 1


def test_meetings_count_as_overdue_from_their_hour_on(scraper):
    now = timezone.now()
    make_meeting()
    make_meeting(
        state="OPEN",
        polls_open_at=now - timedelta(hours=2),
        polls_close_at=now - timedelta(seconds=90),
    )
    make_meeting(state="INVITED", polls_open_at=now - timedelta(seconds=30))

    series = scraper.series()

    assert series[("portal_polls_open", (("kind", "rehearsal"),))] == 2
    assert series[("portal_polls_open", (("kind", "meeting"),))] == 0
    overdue = {
        step: series[("portal_meeting_overdue_seconds", (("step", step),))]
        for step in ("open", "close")
    }
    assert overdue == {"open": pytest.approx(30, abs=9), "close": pytest.approx(90, abs=9)}


def test_a_receipt_that_waits_makes_its_queue_old(scraper):
    now = timezone.now()
    for digest, due in ((b"1", now - timedelta(minutes=3)), (b"2", now + timedelta(minutes=1))):
        Receipt.objects.create(gateway="sms", digest=digest, lines=[], received_at=now, due_at=due)

    series = scraper.series()

    age = series[("portal_queue_age_seconds", (("queue", "receipts"),))]
    assert age == pytest.approx(180, abs=9)
    assert series[("portal_receipts_waiting", ())] == 2


def test_a_lease_that_ran_out_shows(running, scraper):
    ago = timezone.now() - timedelta(minutes=2)
    DeliveryBatch.objects.update(state="LEASED", lease_until=ago)

    age = scraper.value("portal_queue_age_seconds", queue="leases")

    assert age == pytest.approx(120, abs=9)


def test_a_paused_campaign_shows(running, scraper):
    Campaign.objects.update(state="PAUSED")

    series = scraper.series()

    assert series[("portal_campaigns", (("state", "paused"),))] == 1
    assert series[("portal_campaigns", (("state", "running"),))] == 0


def test_the_timer_is_as_old_as_its_last_ring(scraper):
    assert not [name for name, _labels in scraper.series() if name == "portal_timer_age_seconds"]

    tasks.note_the_time()

    assert 0 <= scraper.value("portal_timer_age_seconds") < 9


# --- What is not told ------------------------------------------------------------------------


def test_a_vote_changes_no_figure(scraper, verified):
    meeting = make_meeting()
    browser = verified(make_holder(meeting))
    scraper.text()
    before = without_own_noise(scraper)

    page = browser.get(f"/m/{meeting.pk}/ballot")
    mark = re.search(r'name="mark" value="(\w+)"', page.text)[1]
    done = browser.post(f"/m/{meeting.pk}/cast", {"mark": mark, **ANSWERS})
    shown = browser.get(done["Location"])

    assert (done.status_code, shown.status_code) == (303, 200)
    assert "confirmation-code" in shown.text
    assert without_own_noise(scraper) == before


def without_own_noise(scraper):
    """Every series of the portal but those that asking itself moves."""
    return {
        key: value
        for key, value in scraper.series().items()
        if key[0].startswith("portal_")
        and "seconds" not in key[0]
        and key[0] != "portal_database_connections"
        and ("view", "metrics") not in key[1]
    } | {
        key: value
        for key, value in scraper.series().items()
        if key[0] == "portal_request_seconds_count" and ("view", "metrics") not in key[1]
    }


def test_a_ballot_that_was_refused_is_counted_by_its_reason(scraper, verified):
    meeting = make_meeting()
    browser = verified(make_holder(meeting))
    page = browser.get(f"/m/{meeting.pk}/ballot")
    mark = re.search(r'name="mark" value="(\w+)"', page.text)[1]
    now = timezone.now()
    meeting.polls_open_at, meeting.polls_close_at = now - timedelta(hours=2), now
    meeting.save()
    before = scraper.value("portal_casts_refused_total", reason="TOO_LATE")

    browser.post(f"/m/{meeting.pk}/cast", {"mark": mark, **ANSWERS})

    assert scraper.value("portal_casts_refused_total", reason="TOO_LATE") == before + 1
    assert scraper.value("portal_requests_total", view="ballots:cast", status="409") > 0


def shares(scraper):
    return {
        labels[0][1]: value
        for (name, labels), value in scraper.series().items()
        if name == "portal_deliveries_share"
    }


def some_skipped_some_failed():
    some = list(Delivery.objects.values_list("pk", flat=True)[:8])
    Delivery.objects.filter(pk__in=some[:4]).update(state=Delivery.State.SKIPPED)
    Delivery.objects.filter(pk__in=some[4:6]).update(state=Delivery.State.DELIVERED)
    Delivery.objects.filter(pk__in=some[6:8]).update(state=Delivery.State.FAILED)


def test_before_the_polls_deliveries_are_told_as_shares(running, scraper):
    some_skipped_some_failed()
    tomorrow = timezone.now() + timedelta(days=1)
    Meeting.objects.update(polls_open_at=tomorrow, polls_close_at=tomorrow + timedelta(hours=6))

    found = shares(scraper)

    assert found == {"queued": 0.2, "sending": 0, "unknown": 0, "failed": 0.2, "done": 0.6}


def test_while_polls_are_open_who_was_not_written_to_is_not_told(running, scraper):
    some_skipped_some_failed()

    found = shares(scraper)

    assert set(found.values()) == {0}


def test_no_statement_reads_ballots():
    statements = [fact.sql for fact in (*facts.FACTS, facts.DELIVERIES)]

    assert not [sql for sql in statements if "ballots_" in sql]


# --- When something is down --------------------------------------------------------------------


def test_without_redis_the_rest_is_told(scraper, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.CACHES = {**portal.CACHES, "default": {**portal.CACHES["default"]}}
    settings.CACHES["default"]["LOCATION"] = settings.REDIS_URL

    series = scraper.series()

    assert series[("portal_redis_up", ())] == 0
    assert series[("portal_database_up", ())] == 1
    assert ("portal_campaigns", (("state", "paused"),)) in series
    assert ("portal_deliveries_share", (("state", "done"),)) in series


def test_without_the_database_the_counters_are_told(scraper, monkeypatch):
    def refuse(*_arguments: object) -> None:
        raise OperationalError

    scraper.text()

    monkeypatch.setattr(facts.transaction, "atomic", refuse)

    series = scraper.series()

    assert series[("portal_database_up", ())] == 0
    assert series[("portal_redis_up", ())] == 1
    assert not [name for name, _labels in series if name == "portal_polls_open"]
    assert [name for name, _labels in series if name == "portal_requests_total"]
