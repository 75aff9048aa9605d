"""A counted result is never changed: a corrected one is a new version that says why."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, transaction
from django.urls import reverse
from django.utils import timezone

from ballots.importing import CannotImport
from ballots.models import Channel, Tally, TallyRequest
from ballots.opening import (
    NoReason,
    NotAsked,
    SamePerson,
    ask_for_tally,
    correct_tally,
    open_tally,
)
from meetings import lifecycle
from meetings.lifecycle import CannotAdvance
from meetings.models import JournalEntry, Meeting
from tests.ballots.test_importing import take_in
from tests.ballots.test_results import vote
from tests.factories import make_holder, make_meeting, make_operator, make_secretary

pytestmark = pytest.mark.django_db
REASON = "现场投票文件漏报一户"


@pytest.fixture
def meeting():
    """A counted meeting: 100 shares for, and a holder of 40 whose on-site vote was left out."""
    meeting = make_meeting()
    vote(meeting, 100, "FOR")
    make_holder(meeting, shares=40)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    count(meeting)
    return meeting


def count(meeting):
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    return open_tally(meeting.pk, by="operator:2", now=timezone.now())


def correct(meeting, reason=REASON):
    return correct_tally(meeting.pk, reason=reason, by="operator:1", now=timezone.now())


def take_in_what_was_left_out(meeting):
    take_in(meeting, "A000000002,1.00,反对,,,,,,,", channel=Channel.ONSITE)


def state():
    return Meeting.objects.get().state


def against(tally):
    return tally.content["motions"]["1.00"]["total"]["against"]


@pytest.mark.parametrize("is_certified", [False, True])
def test_a_correction_is_a_new_version_with_its_reason(meeting, is_certified):
    if is_certified:
        lifecycle.certify(meeting.pk, by="operator:2", now=timezone.now())
    first = Tally.objects.get()

    correct(meeting)
    take_in_what_was_left_out(meeting)
    count(meeting)

    newest = Tally.objects.newest_of(meeting.pk)
    assert (newest.version, newest.reason, against(newest)) == (2, REASON, 40)
    kept = Tally.objects.get(version=1)
    assert (kept.content, kept.reason) == (first.content, "")
    assert state() == "TALLIED"
    assert JournalEntry.objects.get(verb="tally.corrected").details == {"reason": REASON}


def test_without_a_correction_nothing_is_taken_in_after_the_tally(meeting):
    with pytest.raises(CannotImport):
        take_in_what_was_left_out(meeting)

    assert Tally.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_correction_needs_a_reason(meeting, reason):
    with pytest.raises(NoReason):
        correct(meeting, reason)

    assert state() == "TALLIED"
    with pytest.raises(IntegrityError, match="tally_corrected_says_why"), transaction.atomic():
        Tally.objects.create(
            meeting=meeting,
            version=2,
            content={},
            asked_by="operator:1",
            counted_by="operator:2",
            counted_at=timezone.now(),
        )


@pytest.mark.parametrize("refused", ["OPEN", "CLOSED", "PUBLISHED"])
def test_only_what_is_counted_and_not_yet_public_is_corrected(meeting, refused):
    Meeting.objects.update(state=refused, is_rehearsal=False)

    with pytest.raises(CannotAdvance):
        correct(meeting)

    assert state() == refused
    assert not JournalEntry.objects.filter(verb="tally.corrected").exists()


def test_a_correction_is_opened_by_two_people(meeting):
    correct(meeting)
    now = timezone.now()

    with pytest.raises(NotAsked):
        open_tally(meeting.pk, by="operator:2", now=now)
    ask_for_tally(meeting.pk, by="operator:3", now=now)
    with pytest.raises(SamePerson):
        open_tally(meeting.pk, by="operator:3", now=now)

    assert Tally.objects.get().version == 1
    assert TallyRequest.objects.get().asked_by == "operator:3"
    assert state() == "CLOSED"


def test_no_version_is_ever_changed(meeting):
    correct(meeting)
    count(meeting)

    for version in (1, 2):
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            Tally.objects.filter(version=version).update(reason="另一个原因")
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            Tally.objects.filter(version=version).delete()


def test_pages_and_downloads_show_the_newest_version(meeting, client):
    client.force_login(make_secretary(meeting.issuer))
    page, file = (
        reverse("console:meeting", args=[meeting.pk]),
        reverse("console:download", args=[meeting.pk, "json"]),
    )
    correct(meeting)
    meanwhile = client.get(page).text
    take_in_what_was_left_out(meeting)
    count(meeting)

    shown, document = client.get(page).text, client.get(file).json()

    assert "结果正在更正" in meanwhile
    assert "结果正在更正" not in shown
    assert f"第2版，更正原因：{REASON}" in shown
    assert document["motions"]["1.00"]["total"]["against"] == 40


def test_an_operator_corrects_on_a_page_and_sees_all_versions(meeting, client):
    client.force_login(make_operator())
    page = reverse("admin:correct-tally", args=[meeting.pk])

    offered = client.get(reverse("admin:meetings_meeting_change", args=[meeting.pk])).text
    empty = client.post(page, {"reason": " "})
    done = client.post(page, {"reason": REASON})
    again = client.post(page, {"reason": REASON})
    count(meeting)
    listed = client.get(reverse("admin:ballots_tally_changelist")).text

    assert page in offered
    assert (empty.status_code, done.status_code, again.status_code) == (422, 302, 422)
    assert REASON in listed
    assert Tally.objects.count() == 2


def test_the_command_counts_again_what_is_being_corrected(meeting, tmp_path):
    correct(meeting)
    take_in_what_was_left_out(meeting)

    call_command("tally", meeting.pk, out=tmp_path / "result")

    assert against(Tally.objects.newest_of(meeting.pk)) == 40
