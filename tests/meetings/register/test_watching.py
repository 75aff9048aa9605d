"""Registers that the dedicated line delivers: complete ones are loaded, once."""

from __future__ import annotations

import hashlib
import io
import json
import os
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from meetings.models import Holder, Meeting, Register
from meetings.register.watching import Watch
from tests.factories import make_meeting
from tests.meetings.register.files import RECORD_DATE, SAMPLES, csv_file, row, sample_meeting

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
NAME = "t1_600000_20260623.csv"
CONTENT = csv_file(row("A000000001")).getvalue()


def deliver(folder, name=NAME, content=CONTENT, checksum=None):
    (folder / name).write_bytes(content)
    digest = checksum or hashlib.sha256(content).hexdigest()
    (folder / f"{name}.sha256").write_text(f"{digest}  {name}\n")


def said(watch):
    return [(sighting.file_name, sighting.words) for sighting in watch.look(now=NOW)]


def test_a_complete_file_is_loaded_and_waits_for_a_person(tmp_path):
    meeting = sample_meeting()
    deliver(tmp_path)

    found = said(Watch(tmp_path))

    assert found == [(NAME, "checked as version 1, waits for approval; read 1 rows")]
    register = Register.objects.get()
    assert (register.meeting, register.state, register.uploaded_by) == (
        meeting,
        "CHECKED",
        "system:watch",
    )
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    assert meeting.journal.filter(verb="register.checked", actor="system:watch").exists()


def test_a_file_is_never_loaded_twice_not_even_under_another_name_or_by_another_watcher(tmp_path):
    sample_meeting()
    deliver(tmp_path)
    watch = Watch(tmp_path)
    said(watch)

    again = said(watch)
    deliver(tmp_path, "copy_600000_20260623.csv")
    copied = said(watch)
    other = said(Watch(tmp_path))

    assert again == []
    assert copied == [("copy_600000_20260623.csv", "was loaded before, as version 1")]
    assert {words for _name, words in other} == {"was loaded before, as version 1"}
    assert Register.objects.count() == 1


def test_a_half_written_file_waits_and_is_loaded_when_it_is_whole(tmp_path):
    sample_meeting()
    watch = Watch(tmp_path)
    (tmp_path / NAME).write_bytes(CONTENT[:50])

    without_checksum = said(watch)
    still = said(watch)
    deliver(tmp_path, content=CONTENT[:50], checksum=hashlib.sha256(CONTENT).hexdigest())
    wrong_checksum = said(watch)
    (tmp_path / f"{NAME}.sha256").write_text("0123")
    half_a_checksum = said(watch)

    assert without_checksum == [(NAME, f"waits: there is no {NAME}.sha256 yet")]
    assert still == []
    assert wrong_checksum == [(NAME, f"waits: its content is not what {NAME}.sha256 says")]
    assert half_a_checksum == [(NAME, f"waits: {NAME}.sha256 holds no SHA-256")]
    assert not Register.objects.exists()
    deliver(tmp_path)
    assert said(watch)[0][1].startswith("checked as version 1")


def test_the_side_form_tells_the_meeting_and_the_totals(tmp_path):
    meeting = sample_meeting()
    name = "register_utf8_bom.csv"
    deliver(tmp_path, name, (SAMPLES / name).read_bytes())
    form = json.loads((SAMPLES / f"{name}.totals.json").read_text())
    (tmp_path / f"{name}.totals.json").write_text(json.dumps(form))

    said(Watch(tmp_path))

    register = meeting.registers.get()
    assert (register.state, register.stated_accounts) == ("CHECKED", form["accounts"])
    assert (register.stated_shares, register.stated_record_date) == (
        form["total_shares"],
        RECORD_DATE,
    )


def test_a_corrected_file_of_the_same_name_size_and_time_is_loaded(tmp_path):
    sample_meeting()
    deliver(tmp_path, content=CONTENT.replace(b",100,", b",000,"))
    os.utime(tmp_path / NAME, (0, 0))
    watch = Watch(tmp_path)
    refused = said(watch)
    unchanged = said(watch)

    deliver(tmp_path)
    os.utime(tmp_path / NAME, (0, 0))
    corrected = said(watch)

    assert refused == [(NAME, "refused as version 1: QTY_ZERO; read 1 rows")]
    assert unchanged == []
    assert corrected == [(NAME, "checked as version 2, waits for approval; read 1 rows")]


def test_a_corrected_side_form_is_tried_with_the_same_file(tmp_path):
    sample_meeting()
    deliver(tmp_path)
    form = {"security_code": "600000", "record_date": str(RECORD_DATE), "accounts": 2}
    side_form = tmp_path / f"{NAME}.totals.json"
    side_form.write_text(json.dumps(form))
    watch = Watch(tmp_path)
    refused = said(watch)
    other = said(Watch(tmp_path))

    side_form.write_text(json.dumps(form | {"accounts": 1}))
    corrected = said(watch)

    assert refused == [(NAME, "refused as version 1: TOTAL_ACCOUNTS; read 1 rows")]
    assert other == [(NAME, "was loaded before, as version 1")]
    assert corrected == [(NAME, "checked as version 2, waits for approval; read 1 rows")]


def test_a_bad_file_is_refused_once_with_its_faults(tmp_path):
    sample_meeting()
    deliver(tmp_path, content=csv_file(row("A000000001", qty="0")).getvalue())
    watch = Watch(tmp_path)

    found = [*said(watch), *said(watch)]

    assert found == [(NAME, "refused as version 1: QTY_ZERO; read 1 rows")]
    assert Register.objects.get().state == "REFUSED"


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("t1_600001_20260623.csv", None, "no meeting of 600001"),
        ("t1_600000_20260624.csv", None, "no meeting of 600000"),
        ("register.csv", None, "neither a side form nor its name"),
        ("t1_600000_20269999.csv", None, "its side form or name holds no"),
        (NAME, "{", "its side form or name holds no"),
        (NAME, '{"security_code": "600000"}', "its side form or name holds no"),
    ],
)
def test_a_file_without_its_meeting_waits(tmp_path, name, form, words):
    sample_meeting()
    deliver(tmp_path, name)
    if form is not None:
        (tmp_path / f"{name}.totals.json").write_text(form)

    ((_name, found),) = said(Watch(tmp_path))

    assert found.startswith(f"waits: {words}")
    assert not Register.objects.exists()


def test_a_meeting_that_was_invited_takes_no_file_and_a_rehearsal_stands_back(tmp_path):
    rehearsal = sample_meeting()
    real = make_meeting(
        state="DRAFT",
        is_rehearsal=False,
        issuer=rehearsal.issuer,
        meeting_date=rehearsal.meeting_date,
        record_date=RECORD_DATE,
    )
    deliver(tmp_path)

    said(Watch(tmp_path))

    assert Register.objects.get().meeting == real
    Meeting.objects.update(state="INVITED")
    deliver(tmp_path, content=csv_file(row("A000000002")).getvalue())
    assert said(Watch(tmp_path))[0][1].startswith("waits: no meeting")
    assert Register.objects.count() == 1


def test_the_command_looks_once_and_says_what_it_did(tmp_path):
    sample_meeting()
    deliver(tmp_path)
    out = io.StringIO()

    call_command("watch_registers", str(tmp_path), "--once", stdout=out)

    assert out.getvalue() == f"{NAME}: checked as version 1, waits for approval; read 1 rows\n"
    with pytest.raises(CommandError):
        call_command("watch_registers", str(tmp_path / "nowhere"), "--once")
