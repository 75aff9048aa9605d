"""The voter's session: a signed cookie that ends by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from identity import voters
from identity.links import Link
from voting_portal.common import ids

MEETING = 7
LINK = Link(ids.holder_id(MEETING, 3), MEETING, 1)
COOKIE = f"{django_settings.VOTER_COOKIE_PREFIX}{MEETING}"


def request_with(voter, name=COOKIE):
    response = HttpResponse()
    voters.keep(response, voter)
    request = RequestFactory().get("/")
    request.COOKIES[name] = response.cookies[COOKIE].value
    return request


def test_a_session_reads_back_as_it_was_kept():
    now = timezone.now()
    voter = voters.verified(voters.begin(LINK, now=now), level=1, now=now)

    assert voters.read_voter(request_with(voter), MEETING, now=now) == voter
    assert (voter.holder_id, voter.generation, voter.level) == (LINK.holder_id, 1, 1)


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites():
    response = HttpResponse()

    voters.keep(response, voters.begin(LINK, now=timezone.now()))

    cookie = response.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]


def test_a_session_ends_after_ten_idle_minutes():
    now = timezone.now()
    request = request_with(voters.begin(LINK, now=now))

    soon, late = now + timedelta(minutes=9, seconds=58), now + timedelta(minutes=10)
    assert voters.read_voter(request, MEETING, now=soon) is not None
    assert voters.read_voter(request, MEETING, now=late) is None


def test_a_session_ends_after_thirty_minutes_however_busy():
    now = timezone.now()
    voter = voters.begin(LINK, now=now)
    for minutes in (9, 18, 27):
        voter = voters.verified(voter, level=1, now=now + timedelta(minutes=minutes))
    request = request_with(voter)

    soon, late = now + timedelta(minutes=29, seconds=58), now + timedelta(minutes=30)
    assert voters.read_voter(request, MEETING, now=soon) is not None
    assert voters.read_voter(request, MEETING, now=late) is None


def test_a_step_up_changes_the_browsers_nonce():
    now = timezone.now()
    voter = voters.begin(LINK, now=now)

    assert voters.verified(voter, level=1, now=now).browser != voter.browser


def test_a_session_of_one_meeting_is_none_of_another():
    now = timezone.now()
    other = f"{django_settings.VOTER_COOKIE_PREFIX}8"
    request = request_with(voters.begin(LINK, now=now), name=other)

    assert voters.read_voter(request, 8, now=now) is None


@pytest.mark.parametrize("change", ["", "x", "a:b:c", "level"])
def test_a_changed_cookie_is_no_session(change):
    now = timezone.now()
    request = request_with(voters.begin(LINK, now=now))
    value = request.COOKIES[COOKIE]
    request.COOKIES[COOKIE] = value.replace(value[10], "A", 1) if change == "level" else change

    assert voters.read_voter(request, MEETING, now=now) is None


def test_a_session_outlives_a_change_of_the_secret_key_that_keeps_the_old_one(settings):
    now = timezone.now()
    voter = voters.begin(LINK, now=now)
    request, old = request_with(voter), settings.SECRET_KEY

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x1" * 40, [old]
    kept = voters.read_voter(request, MEETING, now=now)
    settings.SECRET_KEY_FALLBACKS = []
    ended = voters.read_voter(request, MEETING, now=now)

    assert (kept, ended) == (voter, None)
