"""Alarms: one line a minute when much fails at once, and one for every canary link."""

from __future__ import annotations

import logging
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from identity import canaries, limits
from identity.links import read_link
from meetings.models import MeetingKey
from tests.factories import make_holder, make_meeting

SHARED = replace(limits.CODE_FAILURES, alarm_at=5)
OWN = replace(limits.INVALID_LINKS, alarm_at=5)


@pytest.fixture(autouse=True)
def _fresh_counts():
    limits.forget()


def fail(limit, times, *, subject=""):
    for number in range(times):
        request = RequestFactory().get("/", REMOTE_ADDR=f"192.0.2.{number}")
        limits.count(limit, request, subject=subject)


def alarms(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


@pytest.mark.parametrize(("limit", "reached"), [(SHARED, 5), (OWN, 6)])  # OWN by pairs
def test_many_failures_of_many_addresses_are_said_once(limit, reached, caplog):
    fail(limit, 4)
    before = alarms(caplog)

    fail(limit, 20)

    assert before == []
    assert alarms(caplog) == [f"alarm {limit.name}: {reached} within a minute"]


def test_an_alarm_refuses_nobody(caplog):
    fail(replace(OWN, count=100), 50)

    assert len(alarms(caplog)) == 1


def test_what_is_counted_by_name_as_well_is_watched_once(caplog):
    fail(SHARED, 10, subject="user somebody")

    assert alarms(caplog) == []


def test_without_redis_the_alarm_goes_on_in_the_process(settings, caplog):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }

    fail(SHARED, 10)

    assert len(alarms(caplog)) == 1


def test_guessing_links_fills_no_log_and_what_is_forbidden_is_said(client, db, caplog):
    """The proxy server's log has a line for each; the portal's has the alarm."""
    make_meeting()
    statuses = {client.get(f"/v/{number:025d}").status_code for number in range(80)}
    said_of_links = list(caplog.records)

    Client(enforce_csrf_checks=True).post("/m/1/leave", {"x": "1"})

    assert statuses == {404, 429}
    assert [record.getMessage() for record in said_of_links] == ["limit.reached"]
    assert [record.status_code for record in caplog.records if hasattr(record, "status_code")]


# --- Canaries ----------------------------------------------------------------------------------


@pytest.fixture
def meeting(db):
    meeting = make_meeting()
    make_holder(meeting)
    return meeting


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_canary_is_an_alarm_and_answered_like_every_bad_link(client, meeting, caplog, method):
    code = canaries.canary_url(meeting.pk, 7).rpartition("/")[2]
    bad = getattr(client, method)(f"/v/{code[:-1]}{'0' if code[-1] != '0' else '1'}")
    caplog.clear()

    answer = getattr(client, method)(f"/v/{code}")

    said = [r for r in caplog.records if r.levelno == logging.CRITICAL]
    assert [r.getMessage() for r in said] == [
        f"canary link opened: /v/{code[:5]} of meeting {meeting.pk}"
    ]
    assert (answer.status_code, answer.content) == (bad.status_code, bad.content)
    headers, of_bad = dict(answer.items()), dict(bad.items())
    assert headers.pop("X-Request-Id") != of_bad.pop("X-Request-Id")
    assert headers == of_bad


def test_a_holders_old_link_is_no_alarm(client, meeting, caplog):
    link = read_link(canaries.canary_url(meeting.pk, 1).rpartition("/")[2])
    visit = RequestFactory().get("/")
    old = replace(link, holder_id=link.holder_id - canaries.CANARIES)

    canaries.watch(visit, link, "11111")
    said = caplog.messages[:]
    canaries.watch(visit, old, "11111")

    assert "canary link opened: /v/11111" in said[0]
    assert caplog.messages == said


def test_the_command_prints_a_canary(meeting):
    said = StringIO()

    call_command("canary_link", meeting.pk, 3, stdout=said)

    assert said.getvalue().strip() == canaries.canary_url(meeting.pk, 3)


@pytest.mark.parametrize("number", [0, 1_001])
def test_there_are_a_thousand_canaries(meeting, number):
    with pytest.raises(CommandError, match="numbered from 1 to 1000"):
        call_command("canary_link", meeting.pk, number)


def test_without_keys_there_is_no_canary(meeting):
    MeetingKey.objects.filter(meeting=meeting).delete()
    unknown = meeting.pk + 1

    with pytest.raises(CommandError, match="has no keys"):
        call_command("canary_link", unknown)
