"""Sessions of staff end by idleness, by age, and when the same person signs in elsewhere."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from identity import staff_sessions
from identity.staff import issue_pass
from tests.factories import make_operator

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    browser = Client()
    url = issue_pass(user, lifetime=timedelta(hours=1), now=timezone.now())
    browser.post(urlsplit(url).path)
    return browser


def test_a_session_is_over_when_idle_for_a_quarter_of_an_hour():
    browser = signed_in(make_operator())
    assert browser.get("/admin/").status_code == 200

    remaining = Session.objects.get().expire_date - timezone.now()
    Session.objects.update(expire_date=timezone.now())

    assert timedelta(minutes=14) < remaining <= timedelta(minutes=15)
    assert browser.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"


def test_a_session_is_over_after_eight_hours_however_busy():
    browser = signed_in(make_operator())
    session = browser.session
    session[staff_sessions.BEGAN] -= staff_sessions.WHOLE.total_seconds()
    session.save()

    answer = browser.get("/admin/")

    assert answer.headers["Location"] == "/staff/login"
    assert not get_user(browser).is_authenticated


def test_signing_in_elsewhere_ends_the_session_here():
    user = make_operator()
    here = signed_in(user)

    there = signed_in(user)

    assert here.get("/admin/").status_code == 302
    assert there.get("/admin/").status_code == 200
    assert Session.objects.count() == 1


def test_pages_of_holders_write_no_session(client):
    client.get("/")
    client.get("/help")

    assert not Session.objects.exists()
