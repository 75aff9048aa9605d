"""The key-encryption key changes while everything runs, and nothing stays with the old one."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.models import Ballot
from identity.links import personal_url, read_link
from meetings import keys, live, log_keys, rewrapping
from meetings.agenda import read_agenda
from meetings.keys import mark, meeting_key
from meetings.models import JournalEntry, LogKey, MeetingKey
from meetings.rewrapping import Column
from notifications.models import Receipt, Suppression
from notifications.suppressions import add_suppression
from tests.factories import make_holders, make_meeting
from voting_portal.common import ids
from voting_portal.management.commands.rotate_keys import EVERYTHING

pytestmark = pytest.mark.django_db
NOW = timezone.now()
BY = {"by": "operator:1", "now": NOW}


@pytest.fixture(autouse=True)
def key_store(settings, tmp_path):
    """A key store of the test's own, made by its first use."""
    settings.KEYSTORE_FILE = str(tmp_path / "keys.json")
    settings.MEETING_KEYS_DIR = str(tmp_path / "meetings")
    return Path(settings.KEYSTORE_FILE)


def everything_wrapped():
    """A row of every column of wrapped keys, and the wrapping key of a meeting."""
    meeting = make_meeting()
    add_suppression(phone="15400000001", reason=Suppression.Reason.REQUEST, note="来电", **BY)
    phones = keys.keystore().wrap(b'["15400000001"]', context=b"phones of a receipt")
    Receipt.objects.create(
        gateway="g", digest=bytes(32), lines=[], phones=phones, received_at=NOW, due_at=NOW
    )
    return meeting


def still_wrapped_by(name):
    """What this key has wrapped: columns of any table with such a value, and files."""
    guards = keys.keystore().guards()
    found = ["wrapping keys of meetings"] if name in guards.values() else []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema AND data_type = 'bytea'"
        )
        for table, column in cursor.fetchall():
            # One more byte: sealed by AES-256-GCM.
            cursor.execute(
                f'SELECT 1 FROM "{table}" WHERE substring("{column}" FOR 3) = %s',
                [mark(name) + b"\x01"],
            )
            if cursor.fetchone():
                found.append(f"{table}.{column}")
    return sorted(found)


def test_everything_that_is_wrapped_is_known():
    everything_wrapped()

    assert still_wrapped_by("1") == sorted(map(str, EVERYTHING))


def test_afterwards_nothing_is_wrapped_by_the_old_key_and_everything_opens(key_store):
    meeting = everything_wrapped()
    before = {purpose: meeting_key(meeting.pk, purpose) for purpose in MeetingKey.Purpose}
    seed = log_keys.log_signer(1).private.private_bytes_raw()

    call_command("rotate_keys", "--all", "--by=operator:1")

    keys.forget()
    log_keys.forget()
    assert still_wrapped_by("1") == []
    store = json.loads(key_store.read_text())
    assert (store["current"], sorted(store["keys"])) == ("2", ["1", "2"])
    assert {p: meeting_key(meeting.pk, p) for p in MeetingKey.Purpose} == before
    assert log_keys.log_signer(1).private.private_bytes_raw() == seed
    told = JournalEntry.objects.filter(verb__startswith="kek.").order_by("id")
    assert [entry.verb for entry in told] == ["kek.added", "kek.used", "kek.rewrapped"]
    assert told[2].details == {"key": "2", "rows": 1 + 1 + 1 + 1}


def test_an_added_key_is_not_used_until_it_is_said(key_store):
    make_meeting()

    name = rewrapping.add_key(**BY)
    make_meeting()

    assert still_wrapped_by(name) == []
    rewrapping.use_key(name, **BY)
    make_meeting()
    assert still_wrapped_by(name) == ["wrapping keys of meetings"]
    assert sorted(keys.keystore().guards().values()) == ["1", "1", name]


def test_a_change_that_was_interrupted_goes_on_where_it_was(monkeypatch, capsys):
    monkeypatch.setattr(rewrapping, "BATCH", 2)
    for _meeting in range(5):
        make_meeting()
    rewrapping.use_key(rewrapping.add_key(**BY), **BY)

    next(rewrapping.rewrap(EVERYTHING, **BY))
    half = sorted(keys.keystore().guards().values())
    call_command("rotate_keys", "--by=operator:1")

    assert half == ["1", "1", "1", "2", "2"]
    assert "wrapping keys of meetings: 3 of 3" in capsys.readouterr().out
    assert still_wrapped_by("1") == []


def test_a_row_that_changes_meanwhile_is_left_alone(monkeypatch):
    make_meeting()
    rewrapping.use_key(rewrapping.add_key(**BY), **BY)
    row = LogKey.objects.get()
    column = Column(LogKey, "wrapped", log_keys.context_of)
    store = SimpleNamespace(
        current="2",
        wrap=keys.keystore().wrap,
        unwrap=lambda *args, **words: (
            LogKey.objects.filter(pk=row.pk).update(
                wrapped=None, replaced_by="operator:1", ended_by="operator:2"
            ),
            keys.keystore().unwrap(*args, **words),
        )[1],
    )
    monkeypatch.setattr(Column, "_not_by", lambda *_: LogKey.objects.filter(pk=row.pk))

    column.rewrap_some(store)

    assert LogKey.objects.get().wrapped is None


def test_a_wrapping_key_that_is_destroyed_meanwhile_does_not_come_back():
    meeting = make_meeting()
    (name,) = keys.wrapping_keys_of(meeting.pk)
    rewrapping.use_key(rewrapping.add_key(**BY), **BY)
    store = keys.keystore()
    guarded = store.guards()

    keys.destroy_keys([name])
    store.reseal(name)

    assert name in guarded
    assert name not in store.guards()
    with pytest.raises(keys.KeyDestroyed):
        meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)


def test_what_does_not_open_is_named_and_nothing_is_lost(key_store):
    meeting = make_meeting()
    row = LogKey.objects.get()
    LogKey.objects.update(wrapped=mark("7") + bytes(60))
    rewrapping.use_key(rewrapping.add_key(**BY), **BY)

    with pytest.raises(CommandError, match=f"meetings_logkey.wrapped第{row.pk}行"):
        call_command("rotate_keys", "--by=operator:1")

    assert bytes(LogKey.objects.get().wrapped) == mark("7") + bytes(60)
    assert meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)


@pytest.mark.parametrize(
    ("name", "after", "refusal"),
    [
        ("9", timedelta(hours=2), rewrapping.NoSuchKey),
        ("2", timedelta(hours=2), rewrapping.KeyInUse),
        ("1", timedelta(minutes=59), rewrapping.NotSettled),
    ],
)
def test_a_key_that_may_be_needed_stays(key_store, name, after, refusal):
    make_meeting()
    call_command("rotate_keys", "--all", "--by=operator:1")
    before = key_store.read_text()

    with pytest.raises(refusal):
        rewrapping.retire_key(
            name, everything=EVERYTHING, by="operator:1", now=timezone.now() + after
        )

    assert key_store.read_text() == before
    assert not JournalEntry.objects.filter(verb="kek.retired").exists()


def test_a_key_that_still_wraps_something_is_not_retired(key_store):
    make_meeting()
    rewrapping.use_key(rewrapping.add_key(**BY), **BY)

    with pytest.raises(rewrapping.KeyInUse):
        rewrapping.retire_key(
            "1", everything=EVERYTHING, by="operator:1", now=NOW + timedelta(days=1)
        )

    assert "1" in keys.keystore().keys


def test_an_old_key_that_wraps_nothing_is_taken_out(key_store):
    meeting = make_meeting()
    call_command("rotate_keys", "--all", "--by=operator:1")

    later = timezone.now() + timedelta(hours=2)
    rewrapping.retire_key("1", everything=EVERYTHING, by="operator:1", now=later)

    keys.forget()
    assert list(keys.keystore().keys) == ["2"]
    assert key_store.stat().st_mode & 0o777 == 0o600
    assert meeting_key(meeting.pk, MeetingKey.Purpose.LOG)


def test_a_store_where_nothing_can_be_written_is_said_to_be(key_store, settings):
    make_meeting()
    settings.KEYSTORE_FILE = f"/proc/self/fd/{os.open(key_store, os.O_RDONLY)}"

    with pytest.raises(rewrapping.StoreNotWritable):
        rewrapping.add_key(**BY)

    assert not JournalEntry.objects.filter(verb="kek.added").exists()


@pytest.mark.django_db(transaction=True)
def test_votes_and_links_go_on_while_the_key_changes(key_store):
    meeting, number = make_meeting(), 90
    make_holders(meeting, number)
    agenda, over = read_agenda(meeting.pk), threading.Event()

    def vote(first):
        """Every step as a process that remembers nothing would do it."""
        try:
            for index in range(first, number + 1, 3):
                holder = ids.holder_id(meeting.pk, index)
                keys.forget()
                live.forget()
                link = read_link(personal_url(holder, 0).rpartition("/")[2])
                assert link is not None
                cast_ballot(
                    entitlement=read_entitlement(link.holder_id, 0),
                    agenda=agenda,
                    share_class=0,
                    choices={"1.00": "FOR", "2.00": "FOR"},
                    level=1,
                )
        finally:
            connection.close()

    def change():
        changes = 0
        try:
            while not over.is_set() or not changes:
                call_command("rotate_keys", "--all", "--by=operator:1")
                changes += 1
        finally:
            connection.close()
        return changes

    with ThreadPoolExecutor(4) as pool:
        changing = pool.submit(change)
        for voting in [pool.submit(vote, first) for first in (1, 2, 3)]:
            voting.result()
        over.set()
        changes = changing.result()

    assert Ballot.objects.count() == number
    assert changes > 0
    assert still_wrapped_by("1") == []
    assert LogKey.objects.get().wrapped is not None
