"""A tally that was opened is counted in the background, once, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from ballots import counting, opening
from ballots.counting import MOST_TRIES, count_next
from ballots.models import Tally, TallyRequest
from ballots.opening import AlreadyOpening, ask_for_tally, begin_opening, open_tally
from meetings import lifecycle
from meetings.models import Meeting
from tests.ballots.test_results import vote
from tests.factories import make_meeting, make_operator

pytestmark = pytest.mark.django_db(transaction=True)


def asked_meeting() -> Meeting:
    """A closed meeting with two ballots, whose tally `operator:1` asked for."""
    meeting = make_meeting()
    for shares in (300, 200):
        vote(meeting, shares)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    return meeting


def opened_meeting() -> Meeting:
    meeting = asked_meeting()
    begin_opening(meeting.pk, by="operator:2", now=timezone.now())
    return meeting


def state_of(meeting: Meeting) -> str:
    return Meeting.objects.get(pk=meeting.pk).state


def in_two_threads(action):
    """What came of it in each, a refusal included, both having begun together."""
    together = Barrier(2)

    def run(number):
        connection.ensure_connection()
        together.wait()
        try:
            return action(number)
        except lifecycle.CannotAdvance as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_opening_is_noted_at_once_and_counted_by_a_worker():
    meeting = opened_meeting()
    assert (state_of(meeting), Tally.objects.count()) == ("CLOSED", 0)

    assert count_next(now=timezone.now())

    tally = Tally.objects.get()
    assert (tally.asked_by, tally.counted_by) == ("operator:1", "operator:2")
    assert tally.content["motions"]["1.00"]["total"]["for"] == 500
    assert state_of(meeting) == "TALLIED"
    assert not count_next(now=timezone.now())


def test_a_tally_that_nobody_opened_is_not_counted():
    meeting = asked_meeting()

    assert not count_next(now=timezone.now())

    assert (state_of(meeting), Tally.objects.count()) == ("CLOSED", 0)


def test_what_the_worker_counts_is_what_is_counted_at_once():
    meeting = opened_meeting()
    count_next(now=timezone.now())
    opening.correct_tally(meeting.pk, reason="复核", by="operator:1", now=timezone.now())
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())

    open_tally(meeting.pk, by="operator:2", now=timezone.now())

    first, second = Tally.objects.order_by("version")
    assert first.content == second.content


def test_of_two_scrutineers_at_one_moment_one_opens():
    meeting = asked_meeting()

    came = in_two_threads(
        lambda n: begin_opening(meeting.pk, by=f"operator:{n + 2}", now=timezone.now())
    )

    assert sorted(type(result).__name__ for result in came) == ["AlreadyOpening", "TallyRequest"]
    assert meeting.journal.filter(verb="tally.begun").count() == 1


def test_two_workers_at_one_moment_count_once():
    meeting = opened_meeting()

    came = in_two_threads(lambda _n: count_next(now=timezone.now()))

    assert sorted(came) == [False, True]
    assert Tally.objects.count() == 1
    assert meeting.journal.filter(verb="meeting.tallied").count() == 1


def test_whoever_opens_a_second_time_is_told_that_it_is_under_way():
    meeting = opened_meeting()

    with pytest.raises(AlreadyOpening):
        begin_opening(meeting.pk, by="operator:3", now=timezone.now())

    assert TallyRequest.objects.get().opened_by == "operator:2"


def test_the_stages_are_told_in_their_order(monkeypatch):
    opened_meeting()
    told = []
    count = counting.count_opened

    def listening(request, *, now, tell):
        def both(stage):
            tell(stage)
            with closing(connection.copy()) as other, other.cursor() as cursor:
                cursor.execute("SELECT stage FROM ballots_tallyrequest")
                told.extend(cursor.fetchone())

        return count(request, now=now, tell=both)

    monkeypatch.setattr(counting, "count_opened", listening)

    count_next(now=timezone.now())

    assert sorted(set(told)) == sorted(TallyRequest.Stage)[1:]
    assert told == sorted(told)


def test_a_count_that_fails_each_time_is_given_up_and_may_be_opened_again(monkeypatch):
    meeting = opened_meeting()

    def fail(_request, **_words):
        raise ZeroDivisionError

    monkeypatch.setattr(counting, "count_opened", fail)

    for _try in range(MOST_TRIES):
        with pytest.raises(ZeroDivisionError):
            count_next(now=timezone.now())
    assert count_next(now=timezone.now())

    assert not count_next(now=timezone.now())
    assert (state_of(meeting), Tally.objects.count()) == ("CLOSED", 0)
    assert meeting.journal.latest("id").verb == "tally.not_counted"
    assert begin_opening(meeting.pk, by="operator:3", now=timezone.now()).opened_by == "operator:3"


def test_a_list_that_is_no_longer_confirmed_ends_the_opening_with_its_reason():
    meeting = opened_meeting()
    meeting.motions.filter(group=1).update(is_for_minority_count=True)

    assert count_next(now=timezone.now())

    entry = meeting.journal.latest("id")
    assert (entry.verb, "董监高" in entry.details["reason"]) == ("tally.not_counted", True)
    assert (state_of(meeting), TallyRequest.objects.get().opened_by) == ("CLOSED", "")
    assert not Tally.objects.exists()


def test_the_meetings_page_shows_how_far_the_count_came_and_no_buttons(client):
    meeting = opened_meeting()
    TallyRequest.objects.update(stage=TallyRequest.Stage.BALLOTS)
    client.force_login(make_operator())

    page = client.get(f"/admin/meetings/meeting/{meeting.pk}/change/")
    desk = client.get("/admin/")

    assert "累加全部表决票" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert f"/meeting/{meeting.pk}/step/" not in page.text
    assert f"/meeting/{meeting.pk}/list/" not in page.text
    assert "累加全部表决票" in desk.text


def worker(script: str) -> subprocess.Popen[bytes]:
    database = connection.settings_dict
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    names |= {"HOST": "host", "PORT": "port"}
    server = {name: database[key] for key, name in names.items() if database[key]}
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", script],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": make_conninfo(**server)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_worker_leaves_nothing_and_the_next_one_counts():
    meeting = opened_meeting()
    script = "from ballots.tasks import count_tallies; count_tallies()"

    with closing(connection.copy()) as blocking, blocking.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE ballots_tally IN SHARE MODE")
        process = worker(script)
        deadline = time.monotonic() + 60
        while TallyRequest.objects.get().stage < TallyRequest.Stage.LOGGED:
            assert time.monotonic() < deadline, "the worker did not come to the end of its count"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        cursor.execute("ROLLBACK")

    assert (state_of(meeting), Tally.objects.count()) == ("CLOSED", 0)
    request = TallyRequest.objects.get()
    assert (request.opened_by, request.tries) == ("operator:2", 1)
    while not Tally.objects.exists():  # the server notices the dead client within moments
        assert time.monotonic() < deadline
        count_next(now=timezone.now())
    assert Tally.objects.get().content["motions"]["1.00"]["total"]["for"] == 500
    assert state_of(meeting) == "TALLIED"
