"""When more begin than the portal is sized for, the others wait in a queue and lose nothing."""

from __future__ import annotations

import gzip
import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots.models import Ballot
from identity import turns
from identity.links import personal_url
from identity.models import Challenge
from identity.turns import NotYourTurn, turn_of, wait_for_turn
from meetings.models import Meeting
from tests.ballots.conftest import verified
from tests.factories import make_holder, make_meeting
from voting_portal.common import ids

__all__ = ["verified"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def holder():
    return make_holder(make_meeting())


@pytest.fixture
def crowded(settings):
    """A portal sized for one a second, with a thousand holders before this one."""
    settings.SIGN_INS_A_SECOND = 1
    for number in range(1_000):
        turn_of(ids.holder_id(999, number + 1))


def press(client, holder):
    return client.post(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")


def wait_page(holder):
    return reverse("identity:wait", args=[holder.meeting_id])


# --- The queue ---------------------------------------------------------------------------------


def test_a_second_takes_as_many_as_it_is_sized_for_and_the_rest_wait_in_order(settings):
    settings.SIGN_INS_A_SECOND = 50

    waits = [turn_of(number).seconds for number in range(1, 151)]

    assert not any(waits[:50])
    assert waits[60:] == sorted(waits[60:])
    assert 1.5 < waits[-1] <= 2


def test_the_place_is_the_holders_however_often_they_come(settings):
    settings.SIGN_INS_A_SECOND = 1
    for number in range(1, 101):
        turn_of(number)

    first = turn_of(7_000)
    others = [turn_of(7_000) for _again in range(50)]
    next_one = turn_of(7_001)

    assert 98 < first.seconds <= 100
    assert all(first.seconds - 5 < other.seconds <= first.seconds for other in others)
    assert next_one.seconds - first.seconds <= 1.0  # the fifty looks took no place of anybody


def test_when_the_moment_has_come_the_holder_begins(settings):
    settings.SIGN_INS_A_SECOND = 20
    for number in range(1, 46):
        turn_of(number)
    turn = turn_of(46)

    with pytest.raises(NotYourTurn):
        wait_for_turn(46)
    time.sleep(turn.seconds + 0.05)

    wait_for_turn(46)
    wait_for_turn(46)  # for another code, later


def test_what_a_quiet_hour_did_not_use_is_no_stampede(settings):
    settings.SIGN_INS_A_SECOND = 10
    turn_of(1)
    time.sleep(2.2)
    began = time.monotonic()

    waits = [turn_of(number).seconds for number in range(2, 40)]

    meanwhile = 10 * (time.monotonic() - began)
    assert sum(1 for wait in waits if not wait) <= 12 + meanwhile


def test_many_at_once_get_different_moments(settings):
    settings.SIGN_INS_A_SECOND = 2
    barrier = Barrier(20)

    def come(number):
        barrier.wait()
        began = time.monotonic()
        return turn_of(number).seconds + began

    with ThreadPoolExecutor(20) as threads:
        moments = sorted(threads.map(come, range(1, 21)))

    waiting = moments[4:]
    apart = [later - earlier for earlier, later in itertools.pairwise(waiting)]
    assert sum(apart) / len(apart) == pytest.approx(0.5, abs=0.1)


def test_without_a_limit_or_without_redis_nobody_waits(settings):
    assert settings.SIGN_INS_A_SECOND == 0
    assert not any(turn_of(number).seconds for number in range(500))

    settings.SIGN_INS_A_SECOND, settings.REDIS_URL = 1, "unix:///nowhere/redis.sock"

    assert not any(turn_of(number).seconds for number in range(500))


def test_redis_that_was_emptied_begins_a_new_queue(settings, crowded):
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()

    assert turn_of(7).seconds == 0


def test_no_holder_is_named_in_redis(settings):
    settings.SIGN_INS_A_SECOND = 1
    number = ids.holder_id(77, 12_345_678)

    turn_of(number)

    store = redis.Redis.from_url(django_settings.REDIS_URL)
    keys = [key.decode() for key in store.scan_iter("turn*")]
    assert len(keys) == 2
    assert not any(str(number) in key or f"{number:x}" in key for key in keys)
    assert all(store.pttl(key) > 0 for key in keys)


@pytest.mark.parametrize(("seconds", "again"), [(0.2, 2), (4.1, 6), (9, 5), (90, 30), (9_000, 60)])
def test_who_waits_long_asks_seldom(seconds, again):
    assert turns.Turn(seconds, 10).look_again == again


# --- The pages ---------------------------------------------------------------------------------


def test_the_button_leads_to_the_waiting_page_and_sends_no_code(client, holder, handset, crowded):
    response = press(client, holder)

    assert response.status_code == 303
    assert response["Location"] == wait_page(holder)
    assert handset.texts("") == []
    assert not Challenge.objects.exists()


@pytest.mark.usefixtures("handset")
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ["正在排队", "位置已经保留", "北京时间", "不因排队延长", "vote.sseinfo.com"]),
        ("en", ["You are in the queue", "Your place is kept", "vote.sseinfo.com"]),
    ],
)
def test_the_page_says_place_and_close_and_the_other_ways(
    client, holder, settings, language, words
):
    settings.SIGN_INS_A_SECOND = 1
    for number in range(1, 602):
        turn_of(number)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    press(client, holder)

    response = client.get(wait_page(holder))

    assert response.status_code == 200
    assert not [one for one in words if one not in response.text]
    assert re.search(r"<b>(59\d|60\d)</b>", response.text)
    assert "10" in response.text
    assert f"{timezone.localtime(Meeting.objects.get().polls_close_at):%H:%M}" in response.text
    assert response["Retry-After"] == response["Refresh"] == "60"
    assert response["Cache-Control"] == "no-store, private"
    assert "<script" not in response.text
    assert "\0" not in response.text


def test_the_page_with_its_style_fits_the_first_flight(client, holder, handset, crowded):
    press(client, holder)
    style = (django_settings.BASE_DIR / "static/css/portal.css").read_bytes()

    page = client.get(wait_page(holder)).content

    assert len(gzip.compress(page)) + len(gzip.compress(style)) < 14_000


def test_who_will_come_too_late_is_told_to_vote_elsewhere(client, handset, settings):
    settings.SIGN_INS_A_SECOND = 1
    close = timezone.now() + timedelta(minutes=8)
    soon, late = (make_holder(make_meeting(polls_close_at=close)) for _each in range(2))
    for number in range(1, 61):
        turn_of(number)
    press(client, soon)
    for number in range(100, 400):
        turn_of(number)
    press(client, late)

    words = "轮到您时投票可能已经截止"
    assert words not in client.get(wait_page(soon)).text
    assert words in client.get(wait_page(late)).text


def test_refreshing_by_itself_can_be_switched_off(client, holder, handset, crowded):
    press(client, holder)

    still = client.get(wait_page(holder) + "?still=1")

    assert "Refresh" not in still
    assert "看看轮到了没有" in still.text
    assert "恢复自动刷新" in still.text


def test_waiting_asks_no_database(client, holder, handset, crowded, django_assert_num_queries):
    press(client, holder)
    client.get(wait_page(holder))

    with django_assert_num_queries(0):
        response = client.get(wait_page(holder))

    assert response.status_code == 200


def test_no_other_way_goes_round_the_queue(client, holder, handset, crowded, settings):
    press(client, holder)
    settings.IDENTITY_PROVIDERS = {}

    again = client.post(reverse("identity:code", args=[holder.meeting_id]), {"again": "1"})

    assert again["Location"] == wait_page(holder)
    assert handset.texts("") == []


def test_in_turn_the_page_leads_to_the_code_and_the_vote(client, holder, handset, settings):
    settings.SIGN_INS_A_SECOND = 5
    for number in range(1, 14):
        turn_of(number)
    press(client, holder)
    assert client.get(wait_page(holder)).status_code == 200
    time.sleep(2)

    on = client.get(wait_page(holder))
    asked = client.post(on["Location"], {"again": "1"})
    entered = client.post(asked["Location"], {"code": handset.code()})

    assert on["Location"] == reverse("identity:code", args=[holder.meeting_id])
    assert entered["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])


def test_another_browser_finds_the_same_place(holder, handset, crowded):
    first, second = Client(), Client()
    press(first, holder)
    press(second, holder)

    places = [
        int(re.search(r"<b>([\d,]+)</b>", c.get(wait_page(holder)).text)[1].replace(",", ""))
        for c in (first, second)
    ]

    assert abs(places[0] - places[1]) <= 3


def test_a_session_does_not_end_in_the_queue(client, holder, handset, crowded, monkeypatch):
    press(client, holder)
    began = timezone.now()

    for minutes in range(5, 90, 5):
        monkeypatch.setattr(
            "django.utils.timezone.now", lambda m=minutes: began + timedelta(minutes=m)
        )
        response = client.get(wait_page(holder))

        assert response.status_code == 200


def test_whoever_has_begun_is_never_made_to_wait(holder, verified, handset, crowded):
    browser = verified(holder)
    ballot = reverse("ballots:ballot", args=[holder.meeting_id])
    mark = re.search(r'name="mark" value="(\w+)"', browser.get(ballot).text)[1]
    answers = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "2000"}

    response = browser.post(
        reverse("ballots:cast", args=[holder.meeting_id]), {"mark": mark, **answers}
    )

    assert response["Location"] == reverse("ballots:confirmation", args=[holder.meeting_id])
    assert Ballot.objects.count() == 1
    assert press(browser, holder)["Location"] == ballot
