"""A session ends soon after the last ballot: a phone that is handed on shows nothing new."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots.models import Ballot
from identity import voters
from identity.links import personal_url
from meetings.models import Meeting, ShareClass
from tests.ballots.test_pages import send
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    return make_meeting()


@pytest.fixture
def holder(meeting):
    return make_holder(meeting, shares=1_000)


@pytest.fixture
def voted(holder, meeting, verified):
    """A browser in which the holder has just voted."""
    browser = verified(holder)
    send(browser, "cast", meeting)
    assert Ballot.objects.count() == 1
    return browser


@pytest.fixture
def later(monkeypatch):
    """Let so much time pass for the pages."""
    real = timezone.now

    def pass_by(time: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: real() + time)

    return pass_by


def page(name, holder):
    return reverse(f"ballots:{name}", args=[holder.meeting_id])


def copy_of(browser):
    copied = Client()
    copied.cookies.update(browser.cookies)
    return copied


def test_the_confirmation_can_be_read_for_five_minutes(voted, holder, later):
    later(voters.AFTER_VOTE - timedelta(seconds=5))

    shown = voted.get(page("confirmation", holder))

    assert shown.status_code == 200
    assert "确认码" in shown.text


@pytest.mark.parametrize("name", ["confirmation", "ballot", "review", "cast"])
def test_then_every_page_leads_to_the_beginning_and_the_cookie_goes(voted, holder, later, name):
    later(voters.AFTER_VOTE)

    response = voted.get(page(name, holder))

    assert (response.status_code, response["Location"]) == (303, reverse("identity:start"))
    assert not any(morsel.value for key, morsel in voted.cookies.items() if "voter" in key)


def test_a_copy_of_the_cookie_opens_nothing_more(holder, meeting, verified, later):
    browser = verified(holder)
    copied = copy_of(browser)
    send(browser, "cast", meeting)

    browser.post(reverse("identity:leave", args=[holder.meeting_id]))
    later(voters.AFTER_VOTE)

    assert copied.get(page("confirmation", holder))["Location"] == reverse("identity:start")


def test_the_link_and_a_new_code_show_the_choices_again(voted, holder, later, handset):
    later(voters.AFTER_VOTE)
    code_page = reverse("identity:code", args=[holder.meeting_id])

    begun = voted.post(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")
    answered = voted.post(code_page, {"code": handset.code()}, follow=True)
    later(2 * voters.AFTER_VOTE - timedelta(seconds=5))
    shown = voted.get(page("confirmation", holder))

    assert begun["Location"] == code_page
    assert "确认码" in answered.text
    assert shown.status_code == 200


def test_who_has_another_class_to_vote_with_goes_on(holder, meeting, verified, later):
    ShareClass.objects.create(meeting=meeting, number=1, code="B", capital=1_000)
    Meeting.objects.filter(pk=holder.meeting_id).update(revision=9)
    type(holder).objects.filter(pk=holder.pk).update(shares=[1_000, 500])
    browser = verified(holder)
    send(browser, "cast", meeting)

    later(voters.AFTER_VOTE)
    response = browser.get(page("ballot", holder))

    assert response.status_code == 200
    assert 'name="mark"' in response.text
