"""One-time codes: five tries, one use, one browser, ten minutes, and few of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from identity import challenges
from identity.challenges import answer_challenge, begin_challenge
from identity.models import Challenge
from meetings import keys
from meetings.agenda import read_agenda
from meetings.models import Holder, Meeting, MeetingKey
from tests.factories import make_holder, make_meeting
from voting_portal.gateways import pacing

pytestmark = pytest.mark.django_db
BROWSER = "a-browser"


@pytest.fixture
def holder(handset):
    return make_holder(make_meeting())


def ask(holder, *, browser=BROWSER, now=None):
    agenda = read_agenda(holder.meeting_id)
    return begin_challenge(holder, agenda=agenda, browser=browser, now=now or timezone.now())


def answer(holder, code, *, browser=BROWSER, now=None):
    answer_challenge(holder.pk, browser=browser, code=code, now=now or timezone.now())


def meeting_of(holder):
    return Meeting.objects.get(pk=holder.meeting_id)


def other_than(code):
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_code_arrives_at_the_registered_phone_and_nowhere_else(holder, handset):
    ask(holder)

    code, meeting = handset.code(), read_agenda(holder.meeting_id)
    text = (
        f"【上证信息】验证码{code}，用于{meeting.security_code}股东会投票，10分钟内有效。"
        "工作人员不会向您索要，请勿告诉他人。"
    )
    assert handset.texts("15400000001") == [text]
    assert handset.texts("") == handset.texts("15400000001")


def test_a_code_waits_for_no_campaign(holder, handset):
    pacing.hold_back("sms", seconds=30)  # messages of campaigns stand

    began = time.monotonic()
    ask(holder)

    assert handset.code()
    assert time.monotonic() - began < 5
    assert pacing.rest_of("sms") > 20


def test_the_right_code_passes_once(holder, handset):
    ask(holder)

    answer(holder, handset.code())

    assert Challenge.objects.get().passed_at is not None
    with pytest.raises(challenges.CodeOver):
        answer(holder, handset.code())


def test_the_database_does_not_hold_the_code(holder, handset):
    challenge = ask(holder)

    challenge.refresh_from_db()
    assert handset.code().encode() not in bytes(challenge.code_hash)
    assert BROWSER.encode() not in bytes(challenge.browser_hash)


def test_a_wrong_code_says_how_many_tries_are_left(holder, handset):
    ask(holder)

    with pytest.raises(challenges.WrongCode) as refusal:
        answer(holder, other_than(handset.code()))

    assert "4" in str(refusal.value.message)
    assert Challenge.objects.get().passed_at is None


def test_the_sixth_try_is_refused_even_when_it_is_right(holder, handset):
    ask(holder)
    for _try in range(4):
        with pytest.raises(challenges.WrongCode):
            answer(holder, other_than(handset.code()))
    with pytest.raises(challenges.NoTriesLeft):
        answer(holder, other_than(handset.code()))

    with pytest.raises(challenges.NoTriesLeft):
        answer(holder, handset.code())

    assert Challenge.objects.get().passed_at is None


@pytest.mark.django_db(transaction=True)
def test_twelve_guesses_at_once_get_five_tries(holder, handset):
    ask(holder)
    wrong, together = other_than(handset.code()), Barrier(12, timeout=30)

    def guess(_number):
        connection.ensure_connection()
        together.wait()
        try:
            answer(holder, wrong)
        except challenges.CannotVerify as refusal:
            return type(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(guess, range(12)))

    challenge = Challenge.objects.get(holder_id=holder.pk)
    assert challenge.tries == 5
    assert set(outcomes) <= {challenges.WrongCode, challenges.NoTriesLeft}
    assert outcomes.count(challenges.NoTriesLeft) >= 7


@pytest.mark.django_db(transaction=True)
def test_the_right_code_sent_four_times_at_once_passes_once(holder, handset):
    ask(holder)
    code, together = handset.code(), Barrier(4, timeout=30)

    def send(_number):
        connection.ensure_connection()
        together.wait()
        try:
            return answer(holder, code)
        except challenges.CannotVerify as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(send, range(4)))

    assert outcomes.count(None) == 1


def test_another_browser_cannot_use_the_code(holder, handset):
    ask(holder)

    with pytest.raises(challenges.CodeOver):
        answer(holder, handset.code(), browser="another-browser")

    assert Challenge.objects.get().tries == 0


def test_another_holder_with_the_same_phone_cannot_use_the_code(holder, handset):
    ask(holder)
    wife = make_holder(meeting_of(holder), name="李四")

    with pytest.raises(challenges.CodeOver):
        answer(wife, handset.code())


def test_a_code_is_over_after_ten_minutes(holder, handset):
    now = timezone.now()
    ask(holder, now=now)

    with pytest.raises(challenges.CodeOver):
        answer(holder, handset.code(), now=now + timedelta(minutes=10))

    answer(holder, handset.code(), now=now + timedelta(minutes=9, seconds=59))


def test_only_the_latest_code_counts(holder, handset):
    ask(holder)
    first = handset.code()
    ask(holder)

    if first != handset.code():
        with pytest.raises(challenges.WrongCode):
            answer(holder, first)
    answer(holder, handset.code())


def test_the_fourth_code_in_ten_minutes_is_not_sent(holder, handset):
    now = timezone.now()
    for minute in range(3):
        ask(holder, now=now + timedelta(minutes=minute))

    with pytest.raises(challenges.TooManyCodes) as refusal:
        ask(holder, now=now + timedelta(minutes=3))

    assert "7" in str(refusal.value.message)  # minutes
    assert len(handset.texts("15400000001")) == 3
    ask(holder, now=now + timedelta(minutes=10))


def test_the_eleventh_code_of_a_day_is_not_sent(holder, handset):
    now = timezone.now()
    for hour in range(10):
        ask(holder, now=now + timedelta(hours=hour))

    with pytest.raises(challenges.TooManyCodes):
        ask(holder, now=now + timedelta(hours=10))

    assert len(handset.texts("15400000001")) == 10
    ask(holder, now=now + timedelta(hours=24))


@pytest.mark.django_db(transaction=True)
def test_sixteen_requests_at_once_make_three_codes(holder):
    together = Barrier(16, timeout=30)

    def request(_number):
        connection.ensure_connection()
        together.wait()
        try:
            return challenges._add(holder, browser=BROWSER, code="123456", now=timezone.now())
        except challenges.TooManyCodes as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(request, range(16)))

    assert sum(isinstance(outcome, Challenge) for outcome in outcomes) == 3
    assert Challenge.objects.filter(holder_id=holder.pk).count() == 3


def test_a_holder_without_a_phone_is_told_so(holder, handset):
    nobody = make_holder(meeting_of(holder), phone="")

    with pytest.raises(challenges.NoPhone):
        ask(nobody)

    assert not Challenge.objects.exists()


def test_after_the_keys_are_destroyed_no_code_is_sent(holder, handset):
    MeetingKey.objects.filter(meeting_id=holder.meeting_id, purpose="RECORDS").delete()
    keys._remembered.clear()

    with pytest.raises(challenges.NoPhone):
        ask(Holder.objects.get(pk=holder.pk))

    assert handset.texts("") == []


def test_a_carrier_that_refuses_leaves_no_code_to_answer(holder, handset):
    handset.simulator.carrier.faults = type(handset.simulator.carrier.faults)(throttle=1)

    with pytest.raises(challenges.CannotSend):
        ask(holder)

    now = timezone.now()
    assert challenges.read_codes(holder, browser=BROWSER, now=now).sent_at is None


def test_a_carrier_that_is_down_leaves_no_code_to_answer(holder, settings):
    settings.GATEWAYS = {
        "sms": {**settings.GATEWAYS["sms"], "url": "http://127.0.0.1:9"},
    }

    with pytest.raises(challenges.CannotSend):
        ask(holder)

    now = timezone.now()
    assert challenges.read_codes(holder, browser=BROWSER, now=now).sent_at is None


def test_a_code_whose_fate_is_unknown_may_be_answered(holder, handset):
    handset.simulator.carrier.faults = type(handset.simulator.carrier.faults)(
        drop=True, no_receipts=True
    )

    ask(holder)

    answer(holder, handset.code())
