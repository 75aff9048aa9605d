"""The log goes over to another signing key while votes come in, and everybody can follow it."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballot_verifier.notes import Key
from ballot_verifier.verifying import verify
from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.log import sequencer
from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.handing_over import KeyInUse, NoSuchKey, SamePerson, change_log_key, retire_log_key
from ballots.log.keys import note_key
from ballots.log.promises import promise_of, proof_of
from ballots.log.starting import start_due
from ballots.models import Ballot, Checkpoint, LogLeaf, MeetingLog
from ballots.opening import ask_for_tally, open_tally
from identity.links import personal_url
from meetings import lifecycle, log_keys
from meetings.agenda import read_agenda
from meetings.keys import KeyDestroyed
from meetings.models import JournalEntry, LogKey
from tests.ballots.log.test_sequencing import kinds, log_everything
from tests.factories import make_holders, make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
CHOICES = {"1.00": "FOR", "2.00": "AGAINST"}
BY = {"by": "operator:1", "now": timezone.now()}
BY_ANOTHER = {**BY, "by": "operator:2"}


@pytest.fixture
def meeting():
    """One of eight holders, so that the register is whole before the log begins."""
    meeting = make_meeting()
    make_holders(meeting, 8)
    return meeting


def cast(meeting, number=1):
    """The next so many holders vote."""
    agenda, first = read_agenda(meeting.pk), 1 + Ballot.objects.of_meeting(meeting.pk).count()
    holders = [ids.holder_id(meeting.pk, index) for index in range(first, first + number)]
    return [
        cast_ballot(
            entitlement=read_entitlement(holder, 0),
            agenda=agenda,
            share_class=0,
            choices=CHOICES,
            level=1,
        )
        for holder in holders
    ]


def finish(meeting):
    """Close, count, and log all of it."""
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    log_everything()
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    open_tally(meeting.pk, by="operator:2", now=timezone.now())
    log_everything()


def vkey(number):
    return note_key(LogKey.objects.get(number=number)).vkey


def checked(meeting, tmp_path, *numbers, kind=BundleKind.AUDITOR, **options):
    path = tmp_path / "bundle.zip"
    with path.open("wb") as file:
        write_bundle(meeting.pk, kind, file)
    keys = [Key.parse(vkey(number)) for number in numbers]
    return verify(path, keys=keys, processes=1, **options)


def test_a_log_goes_over_to_the_new_key_when_it_grows(meeting, tmp_path):
    (before,) = cast(meeting)
    log_everything()
    old_promise = promise_of(before)

    change_log_key(**BY)
    (after,) = cast(meeting)
    log_everything()
    new_promise = promise_of(after)
    finish(meeting)

    assert kinds(meeting) == ["START", "BALLOT", "KEY", "BALLOT", "CLOSE", "TALLY"]
    assert MeetingLog.objects.get().key == 2
    promises = [("old", old_promise.encode()), ("new", new_promise.encode())]
    proofs = [("proof", proof_of(before, read_agenda(meeting.pk)).encode())]
    for given in ([1], [2], [1, 2], []):
        report = checked(meeting, tmp_path, *given, promises=promises, held_proofs=proofs)
        assert report.is_good, report.steps
        assert [key.line for key in report.keys] == [vkey(1), vkey(2)]
    assert checked(meeting, tmp_path, 1, kind=BundleKind.PUBLIC).is_good
    handed_over = Checkpoint.objects.get(next_key__isnull=False)
    assert (handed_over.size, handed_over.key, handed_over.next_key) == (3, 1, 2)


def test_a_log_that_does_not_grow_stays_with_its_key(meeting, tmp_path):
    cast(meeting)
    finish(meeting)
    size = MeetingLog.objects.get().size

    change_log_key(**BY)
    log_everything()

    assert MeetingLog.objects.get().size == size
    assert checked(meeting, tmp_path, 1).is_good
    assert not checked(meeting, tmp_path, 2).is_good
    promise = promise_of(Ballot.objects.get()).encode()
    assert checked(meeting, tmp_path, 1, promises=[("promise", promise)]).is_good


def test_two_changes_at_once_are_one_step_of_the_chain(meeting, tmp_path):
    cast(meeting)
    log_everything()

    change_log_key(**BY)
    change_log_key(**BY)
    cast(meeting)
    finish(meeting)

    report = checked(meeting, tmp_path, 3)
    assert report.is_good, report.steps
    assert [key.line for key in report.keys] == [vkey(1), vkey(3)]


def test_a_log_that_begins_later_knows_the_new_key_only(meeting, tmp_path):
    change_log_key(**BY)
    cast(meeting)
    finish(meeting)

    assert "KEY" not in kinds(meeting)
    assert checked(meeting, tmp_path, 2).is_good


def test_an_old_key_is_destroyed_once_every_log_has_left_it(meeting, tmp_path):
    cast(meeting)
    log_everything()
    change_log_key(**BY)

    assert retire_log_key(1, **BY_ANOTHER) == 1

    assert MeetingLog.objects.get().key == 2
    assert LogKey.objects.get(number=1).wrapped is None
    with pytest.raises(KeyDestroyed):
        log_keys.log_signer(1)
    cast(meeting)
    finish(meeting)
    assert checked(meeting, tmp_path, 1).is_good
    entry = JournalEntry.objects.get(verb="log_key.retired")
    assert (entry.actor, entry.details) == ("operator:2", {"number": 1, "logs": 1})


def test_whoever_changed_the_key_does_not_destroy_the_old_one(meeting):
    cast(meeting)
    log_everything()
    change_log_key(**BY)

    with pytest.raises(SamePerson):
        retire_log_key(1, **BY)

    assert log_keys.log_signer(1)
    assert not JournalEntry.objects.filter(verb="log_key.retired").exists()


@pytest.mark.parametrize(("number", "refusal"), [(1, KeyInUse), (9, NoSuchKey)])
def test_the_key_in_use_is_not_destroyed(meeting, number, refusal):
    with pytest.raises(refusal):
        retire_log_key(number, **BY)

    assert LogKey.objects.get().wrapped is not None
    assert not JournalEntry.objects.filter(verb="log_key.retired").exists()


def test_the_command_changes_the_key_and_says_its_public_half(meeting, capsys):
    call_command("rotate_log_key", "--by=operator:1")
    with pytest.raises(CommandError, match="另一位"):
        call_command("rotate_log_key", "--retire=1", "--by=operator:1")
    call_command("rotate_log_key", "--retire=1", "--by=operator:2")
    with pytest.raises(CommandError):
        call_command("rotate_log_key", "--retire=1", "--by=operator:2")

    assert vkey(2) in capsys.readouterr().out
    told = JournalEntry.objects.filter(verb__startswith="log_key").order_by("id")
    assert [entry.verb for entry in told] == ["log_key.added", "log_key.retired"]


def test_the_page_shows_the_keys_and_before_the_close_no_size(meeting):
    cast(meeting, 3)
    log_everything()
    change_log_key(**BY)
    cast(meeting)
    log_everything()
    address = reverse("ballots:log", args=[meeting.pk])

    before = Client().get(address).text
    finish(meeting)
    after = Client().get(address).text

    for page in (before, after):
        assert vkey(1) in page
        assert vkey(2) in page
    assert "签名1至5条的检查点" in after
    assert "条的检查点" not in before


def test_no_page_makes_a_key(meeting):
    LogKey.objects.all().delete()
    log_keys.forget()
    addresses = [
        reverse("ballots:log", args=[meeting.pk]),
        reverse("ballots:log-checkpoint", args=[meeting.pk]),
        personal_url(ids.holder_id(meeting.pk, 1), 0),
    ]
    client = Client(raise_request_exception=False)

    for address in addresses:
        client.get(address)

    assert not LogKey.objects.exists()


def test_the_first_meeting_that_is_prepared_brings_the_key():
    assert not LogKey.objects.exists()

    make_meeting()
    make_meeting()

    assert [key.number for key in LogKey.objects.all()] == [1]


@pytest.mark.django_db(transaction=True)
def test_votes_go_on_while_the_key_changes(tmp_path):
    meeting, number = make_meeting(), 60
    make_holders(meeting, number)
    agenda = read_agenda(meeting.pk)
    start_due()

    def vote(first):
        try:
            for index in range(first, number + 1, 3):
                ballot = cast_ballot(
                    entitlement=read_entitlement(ids.holder_id(meeting.pk, index), 0),
                    agenda=agenda,
                    share_class=0,
                    choices=CHOICES,
                    level=1,
                )
                yield promise_of(ballot).encode()
        finally:
            connection.close()

    def change():
        try:
            for number in (1, 2, 3):
                sequencer.sequence(limit=5)
                change_log_key(**BY)
                sequencer.sequence(limit=5)
                retire_log_key(number, **BY_ANOTHER)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        changing = pool.submit(change)
        voting = [pool.submit(lambda first=first: list(vote(first))) for first in (1, 2, 3)]
        promises = [promise for future in voting for promise in future.result()]
        changing.result()
    finish(meeting)

    held = [(str(place), promise) for place, promise in enumerate(promises)]
    report = checked(meeting, tmp_path, 1, promises=held)
    assert report.is_good, report.steps
    assert len(promises) == number
    assert len(report.keys) == 4
    assert LogLeaf.objects.of_meeting(meeting.pk).filter(kind=2).count() == number


def test_a_bundle_of_the_same_books_is_the_same_after_a_change_of_keys(meeting):
    cast(meeting)
    finish(meeting)
    first, second = io.BytesIO(), io.BytesIO()

    write_bundle(meeting.pk, BundleKind.AUDITOR, first)
    change_log_key(**BY)
    write_bundle(meeting.pk, BundleKind.AUDITOR, second)

    assert first.getvalue() == second.getvalue()
