"""A second process seals a register's rows: as the first would, secretly, and never left behind."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from django.conf import settings

from meetings.models import Holder, Register
from meetings.register import checks, staging
from meetings.register.loading import approve_register, load_register
from meetings.register.records import Person, open_person
from meetings.register.sealed_rows import (
    HOLDER_COLUMNS,
    HOLDING_COLUMNS,
    Keys,
    RowSealer,
    record_context,
)
from meetings.register.sealing_process import SealingProcess, SealingStopped
from tests.meetings.register.files import csv_file, expectation, row, sample_meeting
from tests.meetings.register.test_loading import tables_of
from voting_portal.common import masking, sealing

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
BASE = 7 << 28
MODULE = b"meetings.register.sealing_process"
# Starts a process that seals, gives it something to do, tells its number and waits to be killed.
STARTER = """
import time
import polars as pl
from meetings.register.sealed_rows import Keys, RowSealer
from meetings.register.sealing_process import SealingProcess

process = SealingProcess(RowSealer(Keys.random(), "AES-256-GCM", 0, 1))
if {is_busy}:
    process.give(pl.read_ipc({path!r}))
print(process.pid, flush=True)
time.sleep(60)
"""


def good_rows(number: int = 3) -> pl.DataFrame:
    """Rows as the checks give them, one without a phone."""
    frame = pl.DataFrame(
        {
            "row": range(1, number + 1),
            "line": [None] * number,
            "security_code": "600000",
            "account_no": [f"A{at:09d}" for at in range(number)],
            "holder_name": [f"虚拟{'甲' * (at % 9 + 1)}" for at in range(number)],
            "id_no": ["11010519491231002X" if at % 2 else "" for at in range(number)],
            "id_type": "01",
            "qty": [str(100 + at) for at in range(number)],
            "phone": ["15400000001" if at else "" for at in range(number)],
        },
        schema_overrides={"row": pl.Int64, "line": pl.Int64},
    )
    rows, found = checks.check_rows(frame, expectation())
    assert not [finding for finding in found if not finding.is_warning]
    return rows


def table(lines: bytes, columns: tuple[str, ...]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(lines.decode()), fieldnames=columns))


def is_alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(is_so, *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def test_a_row_is_sealed_indexed_and_masked():
    keys, rows = Keys.random(), good_rows()

    lines = RowSealer(keys, "AES-256-GCM", BASE, 2).lines(rows)

    holders, holdings = table(lines.holders, HOLDER_COLUMNS), table(lines.holdings, HOLDING_COLUMNS)
    for holder, holding, expected in zip(holders, holdings, rows.to_dicts(), strict=True):
        number = BASE + expected["row"]
        sealed = bytes.fromhex(holder["sealed"][2:])
        record = sealing.open_sealed(keys.records, sealed, context=record_context(number))
        person = Person.decode(record)
        assert (person.name, person.phone) == (expected["name"], expected["phone"])
        assert holder["name_masked"] == masking.mask_name(expected["name"])
        assert holder["phone_masked"] == masking.mask_phone(expected["phone"])
        assert holder["shares"] == f"{{{expected['shares']},0}}"
        assert holding["account_masked"] == masking.mask_account(expected["account"])
        assert {holder["id"], holding["id"], holding["holder_id"]} == {str(number)}
    assert [holder["phone_index"] for holder in holders].count("\\N") == 1


def test_the_second_process_seals_as_the_first_does():
    sealer, rows = RowSealer(Keys.random(), "SM4-GCM", BASE, 1), good_rows(2_000)
    here = sealer.lines(rows)
    process = SealingProcess(sealer)

    try:
        process.give(rows)
        first = process.take()
        process.give(rows.tail(1))
        second = process.take()
    finally:
        process.close()

    assert first.holdings == here.holdings
    without_nonces = [
        [line | {"sealed": len(line["sealed"])} for line in table(lines, HOLDER_COLUMNS)]
        for lines in (first.holders, here.holders)
    ]
    assert without_nonces[0] == without_nonces[1]
    assert here.holdings.endswith(second.holdings)
    assert not is_alive(process.pid)


def test_keys_are_neither_an_argument_nor_in_the_environment():
    keys = Keys(b"secret-of-records-secret-of-reco", b"secret-of-indexes-secret-of-inde")
    process = SealingProcess(RowSealer(keys, "AES-256-GCM", BASE, 1))

    try:
        process.give(good_rows())
        process.take()
        told = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    finally:
        process.close()

    assert MODULE in told[0]
    assert not [text for text in told if b"secret-of" in text]


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_killed_main_process_leaves_no_orphan(tmp_path, is_busy):
    path = tmp_path / "rows.ipc"
    good_rows(20_000).write_ipc(path)
    main = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(is_busy=is_busy, path=str(path))],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )

    try:
        second = int(main.stdout.readline())
        assert is_alive(second)
    finally:
        main.kill()
        main.wait()
        main.stdout.close()

    wait_until(lambda: not is_alive(second))


@pytest.mark.django_db
def test_a_killed_second_process_leaves_nothing_and_the_next_load_succeeds(monkeypatch):
    monkeypatch.setattr(staging, "SEALED_AT_ONCE", 100)
    monkeypatch.setattr(SealingProcess, "is_ready", True)
    meeting = sample_meeting()
    before = tables_of(meeting)
    file = csv_file(*(row(f"A{at:09d}", ymt=f"18{at:010d}") for at in range(1_000)))
    give = SealingProcess.give
    given = []

    def give_and_kill(process, rows):
        give(process, rows)
        given.append(len(rows))
        if len(given) == 5:
            os.kill(process.pid, signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(SealingProcess, "give", give_and_kill)
        with pytest.raises(SealingStopped):
            load_register(meeting.pk, file, file_name="r.csv", by="operator:1", now=NOW)

    assert tables_of(meeting) == before
    assert not Register.objects.exists()
    register = load_register(meeting.pk, file, file_name="r.csv", by="operator:1", now=NOW)
    approve_register(register.pk, by="operator:2", now=NOW)
    assert Holder.objects.of_meeting(meeting.pk).count() == 1_000


@pytest.mark.django_db
def test_rows_are_sealed_here_until_the_second_process_is_there(monkeypatch):
    monkeypatch.setattr(staging, "SEALED_AT_ONCE", 100)
    ready = iter([False, False, True, False, *[True] * 20])
    monkeypatch.setattr(SealingProcess, "is_ready", property(lambda _process: next(ready)))
    meeting = sample_meeting()
    file = csv_file(*(row(f"A{at:09d}", ymt=f"18{at:010d}") for at in range(1_000)))

    register = load_register(meeting.pk, file, file_name="r.csv", by="operator:1", now=NOW)
    approve_register(register.pk, by="operator:2", now=NOW)

    holders = Holder.objects.of_meeting(meeting.pk).order_by("id")
    accounts = [account for holder in holders for account in open_person(holder).accounts]
    assert accounts == [f"A{at:09d}" for at in range(1_000)]


@pytest.mark.django_db
def test_a_short_register_starts_no_process(monkeypatch):
    monkeypatch.setattr(staging, "SealingProcess", None)
    meeting = sample_meeting()

    register = load_register(
        meeting.pk, csv_file(row("A000000001")), file_name="r.csv", by="operator:1", now=NOW
    )

    assert register.state == "CHECKED"
