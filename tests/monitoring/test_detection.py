"""Detection: what really happens raises its incident, a quiet day raises none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from ballots.opening import note_attempt
from identity import canaries, limits, staff_sessions, sums
from meetings import journal
from meetings.models import JournalEntry
from notifications.models import Campaign, DeliveryBatch, GatewayHealth, Receipt
from tests.factories import make_holder, make_holders, make_meeting, make_operator
from tests.notifications.conftest import start_campaign
from voting_portal import detection, tasks
from voting_portal.facts import Facts
from voting_portal.incidents import raising
from voting_portal.incidents.models import Incident
from voting_portal.incidents.rules import RULES

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _fresh_counts():
    limits.forget()


def raised():
    return set(Incident.objects.values_list("rule_name", "subject"))


def look_for(length=timedelta(0), *, now=None):
    """Look every half minute for so long; the clock of detection moves, the world stands."""
    now = now or timezone.now()
    for number in range(int(length / detection.EVERY) + 1):
        detection.look(now=now + number * detection.EVERY)


def fail(limit, times):
    for number in range(times):
        request = RequestFactory().get("/", REMOTE_ADDR=f"192.0.{number >> 8}.{number & 255}")
        limits.count(limit, request)


def test_a_quiet_day_raises_nothing():
    meeting = make_meeting()
    make_holder(meeting)
    journal.record(meeting, "meeting.opened", by="system:timer", at=timezone.now())

    look_for(10 * MINUTE)

    assert raised() == set()


def test_beat_has_it_looked_for():
    make_meeting(state="OPEN", polls_close_at=timezone.now() - 5 * MINUTE)

    tasks.look_for_incidents()

    assert raised() == {("PortalPollsNotClosed", "close")}


# --- The facts that the monitoring is told -----------------------------------------------------


def test_polls_that_the_timer_left_are_an_incident():
    now = timezone.now()
    make_meeting(state="INVITED", polls_open_at=now - 5 * MINUTE)
    make_meeting(state="OPEN", polls_close_at=now - 5 * MINUTE)

    look_for()

    assert raised() == {("PortalPollsNotOpened", "open"), ("PortalPollsNotClosed", "close")}
    seconds = Incident.objects.get(subject="close").seen["value"]
    assert 300 <= seconds < 400


def test_what_ended_is_noted():
    meeting = make_meeting(state="OPEN", polls_close_at=timezone.now() - 5 * MINUTE)
    look_for()

    type(meeting).objects.update(state="CLOSED", polls_sealed_at=timezone.now())
    look_for()

    assert Incident.objects.get().over_at is not None


def test_a_promise_that_is_overdue_is_an_incident(verified, monkeypatch):
    monkeypatch.setattr(detection, "Facts", with_values(portal_log_behind_seconds=90))

    look_for(MINUTE)

    assert raised() == {("PortalLogBehind", "")}


def with_values(**values):
    """Facts as they are, some of them with other values: what cannot be brought about quickly."""

    class Changed(Facts):
        def collect(self):
            for family in super().collect():
                for number, sample in enumerate(family.samples):
                    if family.name in values:
                        family.samples[number] = sample._replace(value=values[family.name])
                yield family

    return Changed


def test_a_transaction_that_hangs_is_an_incident(monkeypatch):
    oldest = {"portal_database_oldest_transaction_seconds": 700}
    monkeypatch.setattr(detection, "Facts", with_values(**oldest))

    look_for(MINUTE)

    assert raised() == {("PortalTransactionHangs", "")}


def test_connections_that_run_out_are_an_incident(monkeypatch):
    monkeypatch.setattr(detection, "Facts", with_values(portal_database_connections=100))

    look_for(2 * MINUTE)

    assert raised() == {("PortalConnectionsRunOut", "")}


def test_a_long_queue_is_an_incident(monkeypatch):
    monkeypatch.setattr(detection, "Facts", with_values(portal_queue_length=1_200))

    look_for(2 * MINUTE)

    assert raised() == {("PortalQueueLong", q) for q in ("periodic", "registers", "sending")}


@pytest.fixture
def running(db):
    meeting = make_meeting()
    make_holders(meeting, 10)
    return start_campaign(meeting)


def test_sending_that_stands_is_an_incident_after_three_minutes(running):
    now = timezone.now()

    look_for(2 * MINUTE, now=now)
    before = raised()
    look_for(MINUTE, now=now + 2.5 * MINUTE)

    assert before == set()
    assert raised() == {("PortalSendingStands", "")}


def test_a_paused_campaign_is_an_incident_after_five_minutes(running):
    Campaign.objects.update(state="PAUSED")
    now = timezone.now()

    look_for(4 * MINUTE, now=now)
    before = raised()
    look_for(MINUTE, now=now + 4.5 * MINUTE)

    assert before == set()
    assert raised() == {("PortalCampaignPaused", "paused")}


def test_what_comes_and_goes_is_not_lasting(running):
    now = timezone.now()
    look_for(2 * MINUTE, now=now)
    DeliveryBatch.objects.update(state="LEASED", lease_until=now + 60 * MINUTE)
    look_for(2 * MINUTE, now=now + 2 * MINUTE)
    DeliveryBatch.objects.update(state="READY", lease_until=None)

    look_for(2 * MINUTE, now=now + 4 * MINUTE)

    assert raised() == set()


def test_receipts_that_wait_are_an_incident():
    due = timezone.now() - 5 * MINUTE
    Receipt.objects.create(gateway="sms", received_at=due, due_at=due, digest=b"x" * 32, lines=[])

    look_for(MINUTE)

    assert raised() == {("PortalQueueOld", "receipts")}


def test_personal_data_that_should_be_gone_is_an_incident(running, monkeypatch):
    monkeypatch.setattr(detection, "Facts", with_values(portal_purge_overdue_seconds=90_000))

    look_for(11 * MINUTE)

    assert ("PortalPurgeOverdue", "due") in raised()
    assert Incident.objects.get(subject="due").seen["value"] == 25


def test_messages_that_fail_are_an_incident(running, monkeypatch):
    monkeypatch.setattr(detection, "Facts", with_values(portal_deliveries_share=0.25))

    look_for(5 * MINUTE)

    assert ("PortalMessagesFail", "failed") in raised()
    assert Incident.objects.get(subject="failed").seen["value"] == 25


def test_a_sick_gateway_is_an_incident():
    GatewayHealth.objects.create(gateway="sms", points=30, reason="12 of 40 unanswered")
    GatewayHealth.objects.create(gateway="card", points=90)

    look_for()

    assert raised() == {("PortalGatewaySick", "sms")}
    assert Incident.objects.get().words == "30分：12 of 40 unanswered"


# --- Sums of what failed -----------------------------------------------------------------------


def test_guessed_links_are_an_incident(client):
    make_meeting()

    fail(limits.INVALID_LINKS, detection.LINKS_A_MINUTE)
    look_for()

    assert raised() == {("PortalLinksGuessed", "invalid-link")}


def test_guesses_of_several_processes_are_added_up():
    for _process in range(3):
        fail(limits.INVALID_LINKS, 150)
        sums._Process.gathered["invalid-link"] = (150, -1e9)  # older than a batch may be
        sums.add("invalid-link", batch=300)
        limits.forget()

    look_for()

    assert raised() == {("PortalLinksGuessed", "invalid-link")}
    assert Incident.objects.get().seen["value"] == 453


@pytest.mark.parametrize(
    ("limit", "rule"),
    [
        (limits.CODE_FAILURES, "PortalFailuresRise"),
        (limits.VOTE_CODE_FAILURES, "PortalFailuresRise"),
        (limits.PROVIDER_FAILURES, "PortalFailuresRise"),
        (limits.LOG_FAILURES, "PortalFailuresRise"),
        (limits.CODES_SENT, "PortalCodesSpent"),
        (limits.PROVIDERS_ASKED, "PortalCodesSpent"),
        (limits.STAFF_FAILURES, "PortalStaffGuessed"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_failures_that_rise_to_their_alarm_are_an_incident(limit, rule):
    most = limit.alarm_at - limit.batch
    if most > 1_000:
        sums.add(limit.name)  # the sum, not what came to it, is what counts here
        key = sums._key(limit.name, int(timezone.now().timestamp()) // 60)
        detection.cache.incr(key, most - 1)
    else:
        fail(limit, most)
    look_for()
    before = raised()

    fail(limit, limit.batch + 1)
    look_for()

    assert before == set()
    assert raised() == {(rule, limit.name)}


def test_without_redis_what_the_database_knows_is_found_all_the_same(settings):
    make_meeting(state="OPEN", polls_close_at=timezone.now() - 5 * MINUTE)
    with_sums = "PortalLinksGuessed"
    raising.raise_incident(
        RULES[with_sums], "invalid-link", seen={"value": 1}, at=timezone.now(), now=timezone.now()
    )
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }

    detection.look(now=timezone.now())

    assert ("PortalPollsNotClosed", "close") in raised()
    assert Incident.objects.get(rule_name=with_sums).over_at is None  # not known to be over


# --- Canaries, staff, journal ------------------------------------------------------------------


def test_a_canary_is_an_incident_at_once(client):
    meeting = make_meeting()
    path = "/v/" + canaries.canary_url(meeting.pk, 7).rpartition("/")[2]

    for _twice in range(2):
        client.get(path)

    incident = Incident.objects.get()
    assert raised() == {("PortalCanaryOpened", f"meeting:{meeting.pk}")}
    assert (incident.severity, incident.role, incident.times) == ("PAGE", "SECURITY", 2)
    assert incident.seen == {"meeting": meeting.pk, "canary": 7}


def sign_in(user, address):
    user.set_password("correct horse battery")
    user.save()
    form = {"username": user.username, "password": "correct horse battery"}
    Client().post(reverse("identity:staff-login"), form, REMOTE_ADDR=address)


def test_one_person_from_two_networks_is_an_incident():
    user, other = make_operator(), make_operator()
    for address in ("192.0.2.1", "192.0.2.9"):
        sign_in(other, address)
    sign_in(user, "192.0.2.1")
    look_for()
    before = raised()

    sign_in(user, "198.51.100.1")
    look_for()

    assert before == set()
    assert raised() == {("PortalStaffElsewhere", user.actor)}
    assert Incident.objects.get().words == "192.0.2.0/24 198.51.100.0/24"


def test_what_was_dealt_with_is_not_raised_by_the_next_look():
    user = make_operator()
    for address in ("192.0.2.1", "198.51.100.1"):
        sign_in(user, address)
    look_for()
    now = timezone.now()
    raising.close_incident(Incident.objects.get().pk, finding="出差", by="operator:9", now=now)

    look_for(MINUTE)

    assert Incident.objects.count() == 1


def test_a_guessed_password_is_an_incident():
    user = make_operator()
    form = {"username": user.username, "password": "wrong"}

    for number in range(limits.STAFF_FAILURES.count):
        Client().post(reverse("identity:staff-login"), form, REMOTE_ADDR=f"192.0.2.{number}")
    look_for()

    assert raised() == {("PortalStaffGuessed", user.actor)}


def test_asking_for_figures_early_is_an_incident():
    meeting = make_meeting()
    note_attempt(meeting.pk, by="secretary:8", now=timezone.now(), what="result.csv")

    look_for()

    assert raised() == {("PortalFiguresAsked", f"meeting:{meeting.pk}")}
    assert Incident.objects.get().words == "secretary:8 result.csv"


def test_a_changed_journal_is_an_incident_found_within_the_hour():
    meeting = make_meeting()
    for verb in ("a.one", "a.two", "a.three"):
        journal.record(meeting, verb, by="operator:1", at=timezone.now())
    look_for()
    second = JournalEntry.objects.get(verb="a.two")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no trigger sees it
        cursor.execute(
            "UPDATE meetings_journalentry SET actor = 'operator:2' WHERE id = %s", [second.pk]
        )
        cursor.execute("SET session_replication_role = origin")
    look_for()
    soon = raised()

    detection.cache.delete(detection.JOURNAL_KEY)  # an hour later
    look_for()

    assert soon == set()
    assert raised() == {("PortalJournalBroken", f"meeting:{meeting.pk}")}
    assert Incident.objects.get().seen == {"value": second.pk}


def test_the_journal_keeps_where_staff_signed_in_by_network_only():
    sign_in(make_operator(), "192.0.2.1")

    (entry,) = JournalEntry.objects.filter(verb=staff_sessions.SIGNED_IN)
    assert entry.details["address"] == "192.0.2.0/24"
