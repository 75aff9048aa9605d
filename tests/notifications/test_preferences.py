"""A verified holder stops the messages to the registered phone, and has them again."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity import voters
from identity.links import Link
from notifications.models import Suppression
from notifications.models.suppression import SuppressionKey
from notifications.suppressions import suppressed
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
PHONE = "15400000001"


@pytest.fixture
def meeting():
    return make_meeting()


def browser_of(holder, *, level=1):
    now, response, client = timezone.now(), HttpResponse(), Client()
    voter = voters.begin(Link(holder.pk, holder.meeting_id, 0), now=now)
    voters.keep(response, voters.verified(voter, level=level, now=now) if level else voter)
    client.cookies.update(response.cookies)
    return client


def page_of(meeting):
    return reverse("notifications:messages", args=[meeting.pk])


def test_the_page_shows_the_masked_phone_and_where_to_complain(meeting):
    page = browser_of(make_holder(meeting)).get(page_of(meeting)).text

    assert "154****0001" in page
    assert PHONE not in page
    for words in ("400-888-8400", "12386", "12321", "页面编号"):
        assert words in page
    assert not Suppression.objects.exists()
    assert not SuppressionKey.objects.exists()


def test_a_holder_stops_and_resumes_messages(meeting):
    browser = browser_of(make_holder(meeting))

    for _twice in range(2):
        off = browser.post(page_of(meeting), {"messages": "off"}, follow=True)
    stopped = suppressed([PHONE])
    on = browser.post(page_of(meeting), {"messages": "on"}, follow=True)

    assert "已停止" in off.text
    assert stopped == {PHONE}
    assert "不再接收消息" in on.text
    assert suppressed([PHONE]) == set()
    suppression = Suppression.objects.get()
    assert suppression.reason == Suppression.Reason.REQUEST
    assert suppression.added_by == suppression.lifted_by != ""
    assert bytes(suppression.sealed) == b""


def test_the_link_alone_stops_nothing(meeting):
    browser = browser_of(make_holder(meeting), level=0)

    response = browser.post(page_of(meeting), {"messages": "off"})

    assert response["Location"] == reverse("identity:code", args=[meeting.pk])
    assert not Suppression.objects.exists()


def test_a_holder_without_a_phone_sees_where_to_complain(meeting):
    browser = browser_of(make_holder(meeting, phone=""))

    page = browser.get(page_of(meeting))
    posted = browser.post(page_of(meeting), {"messages": "off"})

    for response in (page, posted):
        assert response.status_code == 200
        assert "12386" in response.text
        assert "不再接收消息" not in response.text
    assert not Suppression.objects.exists()
