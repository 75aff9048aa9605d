"""The complete list of faults: every one, harmless to open, in two languages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from meetings.models import Register
from meetings.register.fault_list import COLUMNS, FaultList, as_csv
from meetings.register.findings import Finding
from meetings.register.loading import load_register
from tests.meetings.register.files import csv_file, row, sample_meeting

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)


def listed(packed: bytes) -> list[dict[str, str]]:
    text = b"".join(as_csv(packed)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.django_db
def test_the_list_is_complete_where_the_report_is_capped():
    meeting = sample_meeting()
    rows = [row(f"A{n:09d}", qty="0") for n in range(3_000)]

    register = load_register(
        meeting.pk, csv_file(*rows), file_name="register.csv", by="operator:1", now=NOW
    )

    assert len(register.errors) == 1_000
    packed = Register.objects.values_list("fault_list", flat=True).get()
    found = listed(bytes(packed))
    assert [line["记录 Record"] for line in found] == [str(n) for n in range(1, 3_001)]
    assert {line["类型 Kind"] for line in found} == {"QTY_ZERO"}


@pytest.mark.django_db
def test_reading_a_register_leaves_its_list_in_the_database():
    meeting = sample_meeting()
    load_register(
        meeting.pk, csv_file(row("A1")), file_name="register.csv", by="operator:1", now=NOW
    )

    register = meeting.registers.get()

    assert "fault_list" in register.get_deferred_fields()


def test_reason_and_remedy_stand_in_chinese_and_english():
    faults = FaultList()
    faults.add(Finding("QTY_ZERO", 3, 4, "qty", "0"))
    faults.add(Finding("ID_DATE", 5, 6, "id_no", "110***"))

    error, warning = listed(faults.packed())

    assert list(error) == list(COLUMNS)
    assert (error["级别 Level"], warning["级别 Level"]) == ("错误 error", "警告 warning")
    assert error["原因"] == "持有数量为零。"
    assert error["Reason"].isascii()
    assert error["Reason"] != ""
    assert error["What to do"].isascii()


@pytest.mark.parametrize("value", ["=1+1", "+1", "-500", "@SUM(A1)", "\tx"])
def test_nothing_in_the_list_is_run_as_a_formula(value):
    faults = FaultList()
    faults.add(Finding("UNKNOWN_COLUMN", column=value, value=value))

    (line,) = listed(faults.packed())

    assert line["值(已脱敏) Value (masked)"] == f"'{value}"
    assert line["列 Column"] == f"'{value}"


def test_a_long_list_is_packed_small_and_unpacked_piece_by_piece():
    faults = FaultList()
    for number in range(200_000):
        faults.add(Finding("ID_CHECKSUM", number, number + 1, "id_no", "110***********0021"))

    packed = faults.packed()

    assert len(packed) < 10 * 200_000
    pieces = list(as_csv(packed))
    assert max(map(len, pieces)) < 1_000_000
    assert sum(piece.count(b"\r\n") for piece in pieces) == 200_001


def test_an_empty_list_is_a_header():
    assert listed(FaultList().packed()) == []
