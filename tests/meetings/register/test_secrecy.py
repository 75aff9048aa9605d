"""What a thief of the disk finds of a register: nothing that names a person."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from meetings.models import Holder, Register
from meetings.register import records, staging
from meetings.register.loading import approve_register, load_register
from meetings.register.receiving import load_next
from meetings.register.sealing_process import SealingProcess
from meetings.register.side_lists import import_list
from tests.factories import make_meeting, make_operator
from tests.meetings.register.files import OTHER_ID, csv_file, row, sample_meeting
from voting_portal import embedded
from voting_portal.common import sealing

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
# Of nobody, and nowhere else on the disk: all begin alike, so that few needles find them all.
STARTS = {
    "account": "A7731",
    "ymt": "18994417",
    "name": "欧阳虚拟龘",
    "id_no": "39020319430713",
    "phone": "15473190",
}
PEOPLE = [
    {
        "account": f"{STARTS['account']}{n:05d}",
        "ymt": f"{STARTS['ymt']}{n:04d}",
        "name": f"{STARTS['name']}{chr(0x4E00 + n)}",
        "id_no": f"{STARTS['id_no']}{n:04d}",
        "phone": f"{STARTS['phone']}{n:03d}",
    }
    for n in range(40)
]
NEW_PHONE = "15473190999"
REFUSED = {key: PEOPLE[0][key][:-2] + "77" for key in ("account", "ymt", "id_no", "phone")}


def needles() -> list[bytes]:
    """What everything personal that went in begins with, in each encoding and as hex of bytea."""
    encoded = [
        t.encode(code) for t in STARTS.values() for code in ("utf-8", "gb18030", "utf-16-le")
    ]
    return sorted({*encoded, *(text.encode().hex().encode() for text in STARTS.values())})


def files(since: float, *folders: Path) -> Iterator[Path]:
    """Files that were written since then; they come and go while a database runs."""
    for folder in folders:
        for root, _folders, names in os.walk(folder):
            for name in names:
                path = Path(root) / name
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode) and status.st_mtime >= since:
                        yield path


def found_in(path: Path, sought: list[bytes]) -> list[bytes]:
    """Which needles a file holds."""
    with (
        contextlib.suppress(OSError, ValueError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return [needle for needle in sought if content.find(needle) >= 0]
    return []


def data_directory() -> Path:
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        return Path(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    not embedded.postgres_is_running() or settings.DATABASES["default"]["HOST"][0] != "/",
    reason="LEFT OUT: the database's files are on another machine",
)
def test_a_sweep_of_every_byte_on_disk_finds_nobody(client, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(staging, "SEALED_AT_ONCE", 10)  # so that the second process has its share
    monkeypatch.setattr(SealingProcess, "is_ready", True)
    started = time.time() - 1
    operator = make_operator()
    client.force_login(operator)
    meeting = sample_meeting()
    rows = [row(id_type="居民身份证", **person) for person in PEOPLE]
    rows[0] = rows[0].replace(PEOPLE[0]["phone"], "")
    rows += [row(circ="有限售条件流通股", **PEOPLE[7])]  # folded: sealed twice
    upload = reverse("admin:meeting-register", args=[meeting.pk])
    bad = csv_file(*rows, row(qty="0", **REFUSED)).getvalue()
    big = csv_file(*rows).getvalue() + b"\r\n" * (3 << 20)  # above what Django keeps in memory

    with caplog.at_level(logging.DEBUG):
        for content in (bad, big, csv_file(*rows).getvalue()):
            client.post(upload, {"file": SimpleUploadedFile("register.csv", content)})
            assert load_next(now=timezone.now())
        register = Register.objects.get(state="CHECKED", version=3)
        approve_register(register.pk, by="operator:0", now=NOW)
        client.get(reverse("admin:meetings_register_change", args=[register.pk]))
        phones = csv_file(f"{PEOPLE[0]['account']},{NEW_PHONE}", headers=("证券账户", "手机"))
        import_list(meeting.pk, "contacts", phones, file_name="a.csv", by=operator.actor, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")

    assert Holder.objects.of_meeting(meeting.pk).count() == len(PEOPLE)
    assert Holder.objects.order_by("id")[0].phone_masked == "154****0999"
    places = [data_directory(), embedded.DATA, Path(tempfile.gettempdir()), tmp_path]
    swept = set(files(started, *places))
    holding = {str(path): hits for path in swept if (hits := found_in(path, needles()))}
    assert not holding
    assert any("pg_wal" in str(path) for path in swept)
    assert any("base" in str(path) for path in swept)
    assert not [needle for needle in needles() if needle in caplog.text.encode()]


@pytest.mark.django_db
@pytest.mark.skipif(not embedded.postgres_is_running(), reason="needs the embedded server's files")
def test_the_sweep_finds_what_is_there():
    """A name in clear is seen in the write-ahead log as well as in the table's file."""
    name = "诸葛虚构鱻鱻"
    started = time.time() - 1
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE in_clear (name text)")
        cursor.execute("INSERT INTO in_clear VALUES (%s)", [name])
        cursor.execute("CHECKPOINT")

    changed = files(started, data_directory())
    found = {path.parent.name for path in changed if found_in(path, [name.encode()])}

    assert "pg_wal" in found
    assert len(found) > 1


@pytest.mark.django_db
def test_a_record_opens_in_its_own_row_only():
    meeting = sample_meeting()
    register = load_register(
        meeting.pk,
        csv_file(row("A000000001"), row("A000000002", name="李四", id_no=OTHER_ID)),
        file_name="register.csv",
        by="operator:1",
        now=NOW,
    )
    approve_register(register.pk, by="operator:2", now=NOW)
    first, second = Holder.objects.of_meeting(meeting.pk).order_by("id")
    own = records.open_person(first).name

    Holder.objects.filter(pk=second.pk).update(sealed=first.sealed)

    assert own == "张拟三"
    with pytest.raises(sealing.CannotOpen):
        records.open_person(Holder.objects.get(pk=second.pk))
    for at in range(0, len(first.sealed), 7):
        changed = bytearray(first.sealed)
        changed[at] ^= 1
        first_changed = Holder(pk=first.pk, sealed=bytes(changed))
        with pytest.raises(sealing.CannotOpen):
            records.open_person(first_changed)


@pytest.mark.django_db
def test_a_record_does_not_open_in_another_meeting():
    meeting = sample_meeting()
    other = make_meeting(state="DRAFT", motions=False)
    for one in (meeting, other):
        register = load_register(
            one.pk,
            csv_file(row("A000000001", code=one.issuer.security_code)),
            file_name="register.csv",
            by="operator:1",
            now=NOW,
        )
        assert register.errors == []
        approve_register(register.pk, by="operator:2", now=NOW)
    mine, theirs = (Holder.objects.of_meeting(m.pk).get() for m in (meeting, other))
    assert mine.index == theirs.index

    Holder.objects.filter(pk=theirs.pk).update(sealed=mine.sealed)

    with pytest.raises(sealing.CannotOpen):
        records.open_person(Holder.objects.get(pk=theirs.pk))
    assert bytes(mine.person_index) != bytes(theirs.person_index)
