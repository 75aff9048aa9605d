"""A meeting's wrapping key is in no database, and once it is destroyed nothing opens any more."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from django.conf import settings

from meetings import keys, live
from meetings.keys import destroy_keys, keystore, meeting_key, wrapping_keys_of
from meetings.models import MeetingKey
from meetings.register.records import open_person
from meetings.wrapping_keys import KeyDestroyed, KeyMissing
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db


def the_file(meeting):
    (name,) = wrapping_keys_of(meeting.pk)
    return Path(settings.MEETING_KEYS_DIR) / name


def test_each_meeting_has_one_wrapping_key_of_its_own():
    meetings = [make_meeting(), make_meeting()]

    names = [wrapping_keys_of(meeting.pk) for meeting in meetings]

    assert [len(found) for found in names] == [1, 1]
    assert names[0] != names[1]
    assert all(name.startswith(f"{m.pk}-") for m, (name,) in zip(meetings, names, strict=True))


def test_what_the_database_and_the_key_encryption_keys_hold_opens_nothing():
    meeting = make_meeting()
    holder = make_holder(meeting)
    rows = list(MeetingKey.objects.filter(meeting=meeting))

    destroy_keys(wrapping_keys_of(meeting.pk))

    assert list(MeetingKey.objects.filter(meeting=meeting)) == rows
    for row in rows:
        with pytest.raises(KeyDestroyed):
            keys.unwrap(row)
    with pytest.raises(KeyDestroyed):
        open_person(holder)


def test_no_byte_of_a_destroyed_key_is_left_in_its_file():
    meeting = make_meeting()
    before = the_file(meeting).read_bytes()

    destroy_keys(wrapping_keys_of(meeting.pk))

    after = the_file(meeting).read_bytes()
    assert after.rstrip() == b"destroyed"
    assert len(after) == len(before)


def test_destroying_twice_is_once():
    meeting = make_meeting()
    names = wrapping_keys_of(meeting.pk)

    destroy_keys(names)
    destroy_keys(names)

    assert the_file(meeting).read_bytes().startswith(b"destroyed")


def test_a_key_that_is_not_there_is_not_taken_for_destroyed():
    meeting = make_meeting()
    names = wrapping_keys_of(meeting.pk)
    the_file(meeting).unlink()
    keys.forget()

    with pytest.raises(KeyMissing):
        destroy_keys(names)
    with pytest.raises(KeyMissing):
        meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)


def test_a_key_that_wraps_for_all_is_never_destroyed():
    keystore()  # makes them in a new checkout
    before = Path(settings.KEYSTORE_FILE).read_bytes()

    with pytest.raises(ValueError, match="no wrapping key of a meeting"):
        destroy_keys([json.loads(before)["current"]])

    assert Path(settings.KEYSTORE_FILE).read_bytes() == before


def test_the_other_meetings_keep_their_links():
    gone, other = make_meeting(), make_meeting()

    destroy_keys(wrapping_keys_of(gone.pk))
    live.forget()

    assert live.live_meeting(gone.pk) is None
    assert live.live_meeting(other.pk) is not None


def test_a_new_key_of_the_links_ends_with_the_meetings_wrapping_key():
    meeting = make_meeting()
    row = keys.add_link_key(meeting.pk, by="operator:1")

    destroy_keys(wrapping_keys_of(meeting.pk))

    with pytest.raises(KeyDestroyed):
        keys.unwrap(row)


def test_resealing_under_a_new_key_encryption_key_changes_no_data_key(tmp_path):
    store = keys.FileKeyStore(tmp_path / "keys.json", tmp_path / "meetings")
    name = store.make(7)
    gone = store.make(8)
    store.destroy(gone)
    wrapped = store.wrap(b"data key", context=b"x", under=name)
    content = json.loads((tmp_path / "keys.json").read_text())
    content["keys"]["2"] = base64.b64encode(bytes(range(32))).decode()
    content["current"] = "2"
    (tmp_path / "keys.json").write_text(json.dumps(content))

    store = keys.FileKeyStore(tmp_path / "keys.json", tmp_path / "meetings")
    before = store.guards()
    store.reseal(name)
    del store.keys["1"]

    assert (before, store.guards()) == ({name: "1"}, {name: "2"})
    assert store.unwrap(wrapped, context=b"x") == b"data key"


def test_a_name_from_the_database_leads_to_no_other_file():
    wrapped = b"\x0b../../x-0000" + bytes(60)

    with pytest.raises(ValueError, match="no name of a wrapping key"):
        keystore().unwrap(wrapped, context=b"x")
