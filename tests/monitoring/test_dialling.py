"""The dial test walks a live server, says what is slow or broken, and touches rehearsals only."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from ballots.models import Ballot
from identity.links import personal_url
from identity.models import Challenge
from tests.factories import make_holder, make_meeting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers]
PHONE = "15400000001"


@pytest.fixture
def link(live_server, settings, handset):
    """The link of a rehearsal's holder, on the live server."""
    settings.PUBLIC_URL = live_server.url
    return personal_url(make_holder(make_meeting(), phone=PHONE).pk, 0)


@pytest.fixture
def run(handset):
    """Run the command; what it wrote, and its refusal."""

    def run(url, **options):
        said = io.StringIO()
        options = {"handset": handset.simulator.url, "phone": PHONE, **options}
        try:
            call_command("dial", url=url, stdout=said, **options)
        except CommandError as refusal:
            return said.getvalue(), refusal
        return said.getvalue(), None

    return run


def test_every_step_is_walked_and_timed(run, link):
    said, refusal = run(link, json=True)

    report = json.loads(said)
    steps = {step["step"]: step["status"] for step in report["steps"]}
    walked = ["link", "begin", "code arrives", "code", "review", "cast", "confirmation"]
    assert refusal is None
    assert (report["ok"], report["cast"]) == (True, True)
    assert list(steps) == walked
    assert {name for name, status in steps.items() if status != 200} == {"code arrives"}
    assert report["seconds"] > 0
    assert Ballot.objects.count() == 1


def test_the_table_is_for_people_and_holds_no_link(run, link):
    said, _refusal = run(link)

    assert "confirmation" in said
    assert "A ballot was cast." in said
    assert link.rpartition("/")[2] not in said


def test_who_has_voted_is_shown_the_confirmation_and_nothing_is_cast(run, link):
    run(link)

    said, refusal = run(link, json=True)

    assert refusal is None
    assert json.loads(said)["cast"] is False
    assert Ballot.objects.count() == 1


def test_a_real_meeting_is_not_touched(run, link):
    meeting = make_meeting(is_rehearsal=False)
    holder = make_holder(meeting, phone=PHONE)

    said, refusal = run(personal_url(holder.pk, 0), json=True)

    assert refusal.returncode == 1
    assert "no rehearsal" in str(refusal)
    assert json.loads(said)["ok"] is False
    assert not Challenge.objects.exists()
    assert not Ballot.objects.exists()


def test_a_wrong_link_fails_at_its_step(run, link):
    said, refusal = run(f"{link[:-1]}{'a' if link[-1] != 'a' else 'b'}")

    assert refusal.returncode == 1
    assert str(refusal).startswith("link: HTTP 404")
    assert "link" in said


def test_a_code_that_does_not_come_fails_and_nothing_is_cast(run, link):
    _said, refusal = run(link, phone="15499999999", code_within=0.5)

    assert refusal.returncode == 1
    assert str(refusal) == "code arrives: no code in 0.5 seconds"
    assert not Ballot.objects.exists()


def test_a_wrong_code_that_was_given_fails(run, link, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("12 34\n"))

    _said, refusal = run(link, handset=None)

    assert str(refusal).startswith("code: HTTP 422")
    assert not Ballot.objects.exists()


def test_slowness_has_a_code_of_its_own(run, link):
    _said, refusal = run(link, within=0)

    assert refusal.returncode == 2
    assert "more than 0 s" in str(refusal)


def test_a_server_that_is_gone_fails(run):
    _said, refusal = run("http://127.0.0.1:1/v/x")

    assert refusal.returncode == 1
    assert str(refusal) == "link: no answer (URLError)"
