"""Incidents: one open a rule and subject, taken on and ended by people, kept for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from django.utils import timezone

from meetings.models import JournalEntry
from tests.factories import make_operator, make_secretary
from voting_portal.incidents import raising
from voting_portal.incidents.models import Incident
from voting_portal.incidents.rules import RULES

pytestmark = pytest.mark.django_db
LASTING, MOMENT = RULES["PortalQueueOld"], RULES["PortalCanaryOpened"]
NOW = timezone.now()
MINUTE = timedelta(minutes=1)


def see(rule=LASTING, subject="receipts", *, at=NOW, value=200):
    seen = {"value": value, "what": subject, "meeting": 3, "canary": 1}
    raising.raise_incident(rule, subject, seen=seen, at=at, now=at)


def only():
    return Incident.objects.get()


def end(incident, *, by="operator:9", now=NOW + MINUTE):
    raising.close_incident(incident.pk, finding="重启了工作进程", by=by, now=now)


def test_what_is_seen_again_is_the_same_incident():
    see(value=200)
    see(at=NOW + MINUTE, value=260)

    incident = only()
    assert (incident.times, incident.seen["value"]) == (2, 260)
    assert (incident.raised_at, incident.last_seen_at) == (NOW, NOW + MINUTE)
    assert (incident.severity, incident.role) == ("TICKET", "SYSTEM")
    assert [e.details["rule"] for e in JournalEntry.objects.all()] == ["PortalQueueOld"]


def test_another_subject_is_another_incident():
    see()
    see(subject="leases")

    assert Incident.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_eight_who_see_it_at_once_raise_one():
    together = Barrier(8)

    def look(number):
        connection.ensure_connection()
        together.wait()
        try:
            see(at=NOW + number * MINUTE)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(8)))

    assert Incident.objects.count() == 1
    assert JournalEntry.objects.filter(verb="incident.raised").count() == 1


def test_what_ended_by_itself_is_noted_and_stays_open():
    see()
    see(subject="leases")

    raising.note_over(LASTING, still={"leases"}, now=NOW + MINUTE)

    over = Incident.objects.get(subject="receipts")
    assert (over.over_at, over.state) == (NOW + MINUTE, "OPEN")
    assert Incident.objects.get(subject="leases").over_at is None


def test_what_comes_back_is_not_over():
    see()
    raising.note_over(LASTING, still=(), now=NOW + MINUTE)

    see(at=NOW + 2 * MINUTE)

    assert only().over_at is None


def test_somebody_takes_it_on_and_ends_it_with_a_finding():
    see()
    raising.acknowledge(only().pk, by="operator:3", now=NOW)
    raising.note_over(LASTING, still=(), now=NOW)

    end(only(), by="operator:4")

    incident = only()
    assert (incident.state, incident.acknowledged_by, incident.closed_by) == (
        *("CLOSED", "operator:3", "operator:4"),
    )
    assert incident.finding == "重启了工作进程"
    verbs = JournalEntry.objects.order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["incident.raised", "incident.acknowledged", "incident.closed"]


def test_two_do_not_take_it_on():
    see()
    raising.acknowledge(only().pk, by="operator:3", now=NOW)

    with pytest.raises(raising.TakenOn):
        raising.acknowledge(only().pk, by="operator:4", now=NOW)

    assert only().acknowledged_by == "operator:3"


def test_what_still_goes_on_is_not_ended():
    see()

    with pytest.raises(raising.StillSeen):
        end(only())

    assert only().state == "OPEN"


def test_nothing_is_ended_without_words():
    see(MOMENT)

    with pytest.raises(raising.NoFinding):
        raising.close_incident(only().pk, finding=" \n", by="operator:3", now=NOW)

    assert only().state == "OPEN"


def test_what_is_ended_is_ended_once():
    see(MOMENT)
    end(only())

    for deal in (lambda: end(only()), lambda: raising.acknowledge(only().pk, by="x:1", now=NOW)):
        with pytest.raises(raising.ClosedAlready):
            deal()

    assert only().closed_by == "operator:9"


def test_what_was_dealt_with_is_not_raised_again_and_what_is_newer_is():
    see(MOMENT)
    end(only())

    see(MOMENT)
    see(MOMENT, at=NOW + MINUTE)

    assert list(Incident.objects.order_by("id").values_list("state", flat=True)) == [
        *("CLOSED", "OPEN"),
    ]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"state": "CLOSED"}, "incident_closed_with_a_finding"),
        (
            {"state": "CLOSED", "closed_by": "operator:3", "closed_at": NOW},
            "incident_closed_with_a_finding",
        ),
        ({"state": "ACKNOWLEDGED"}, "incident_acknowledged_by_somebody"),
        ({"state": "GONE"}, "incident_state_known"),
        ({"severity": "LATER"}, "incident_severity_known"),
        ({"role": "NOBODY"}, "incident_role_known"),
    ],
)
def test_the_table_itself_holds_the_rules(change, constraint):
    see()

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Incident.objects.update(**change)


def test_a_second_open_one_does_not_get_in():
    see()

    with pytest.raises(IntegrityError, match="incident_one_open"), transaction.atomic():
        Incident.objects.create(
            rule_name=LASTING.name,
            subject="receipts",
            severity="PAGE",
            role="SYSTEM",
            raised_at=NOW,
            last_seen_at=NOW,
        )


def test_an_incident_is_never_deleted():
    see()

    with pytest.raises(ProgrammingError, match="incidents are kept"), transaction.atomic():
        Incident.objects.all().delete()

    assert Incident.objects.count() == 1


# --- In the admin ------------------------------------------------------------------------------


def browser_of(*roles):
    browser = Client()
    browser.force_login(make_operator(roles=list(roles)))
    return browser


LIST = "/admin/incidents/incident/"


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("SYSTEM", {"PortalQueueOld"}),
        ("OPERATOR", {"PortalGatewaySick"}),
        ("SECURITY", {"PortalQueueOld", "PortalGatewaySick", "PortalCanaryOpened"}),
        ("AUDITOR", {"PortalQueueOld", "PortalGatewaySick", "PortalCanaryOpened"}),
    ],
)
def test_who_is_called_sees_what_calls_them(role, sees):
    for rule in (LASTING, MOMENT, RULES["PortalGatewaySick"]):
        see(rule)
    browser = browser_of(role)

    page = browser.get(LIST)
    pages = {
        incident.rule_name: browser.get(f"{LIST}{incident.pk}/change/").status_code
        for incident in Incident.objects.all()
    }

    titles = {name for name in pages if str(RULES[name].title) in page.text}
    assert titles == sees
    assert {name for name, status in pages.items() if status == 200} == sees


@pytest.mark.parametrize("role", ["APPROVER", "SCRUTINEER"])
def test_others_see_no_incident(role):
    see()

    assert browser_of(role).get(LIST).status_code == 403


def test_the_page_says_what_was_seen_and_where_to_read_on():
    see()

    page = browser_of("SYSTEM").get(f"{LIST}{only().pk}/change/").text

    assert "receipts：已200秒" in page
    assert "docs/operations.md#portalqueueold" in page


def test_whoever_is_called_deals_with_it_by_buttons():
    see(MOMENT)
    browser, user = Client(), make_operator(roles=["SECURITY"])
    browser.force_login(user)

    browser.post(f"{LIST}{only().pk}/acknowledge/")
    browser.post(f"{LIST}{only().pk}/close/", {"finding": ""})
    unended = only().state
    browser.post(f"{LIST}{only().pk}/close/", {"finding": "误报"})

    incident = only()
    assert unended == "ACKNOWLEDGED"
    assert (incident.acknowledged_by, incident.closed_by) == (user.actor, user.actor)
    assert "误报" in browser.get(f"{LIST}{incident.pk}/change/").text


@pytest.mark.parametrize("deed", ["acknowledge", "close"])
@pytest.mark.parametrize("role", ["OPERATOR", "AUDITOR", "APPROVER", "SCRUTINEER", "SYSTEM"])
def test_nobody_else_deals_with_it(role, deed):
    see(MOMENT)

    answer = browser_of(role).post(f"{LIST}{only().pk}/{deed}/", {"finding": "x"})

    assert answer.status_code == 404
    assert only().state == "OPEN"


def test_a_secretary_knows_of_no_incidents():
    see()
    browser = Client()
    browser.force_login(make_secretary())

    assert browser.get(LIST).status_code == 302


def test_the_monitoring_is_told_of_what_nobody_has_taken_on(scraper):
    see()
    see(MOMENT)
    raising.acknowledge(Incident.objects.get(rule_name=MOMENT.name).pk, by="operator:1", now=NOW)

    assert scraper.value("portal_incidents_open", severity="ticket") == 1
    assert scraper.value("portal_incidents_open", severity="page") == 0
