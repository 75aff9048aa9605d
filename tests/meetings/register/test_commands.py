"""The register's commands: what they print, what they leave, and how they end."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from meetings.models import Holder, Register
from meetings.register import checks, profiles, reading
from meetings.register.synthetic import SPECIAL, write_register
from tests.meetings.register.files import (
    RECORD_DATE,
    SAMPLES,
    csv_file,
    expectation,
    row,
    sample_meeting,
)

pytestmark = pytest.mark.django_db


def run(*arguments: object) -> tuple[str, int]:
    """What a command printed and the status it ended with."""
    out = io.StringIO()
    try:
        call_command(*map(str, arguments), stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def check(file_name: str, *more: str) -> tuple[str, int]:
    path = SAMPLES / file_name
    return run(
        "check_register",
        path,
        *("--security-code", "600000", "--record-date", "2026-06-23", "--capital", "A=913780881"),
        *("--totals", f"{path}.totals.json"),
        *more,
    )


def test_check_register_prints_one_json_object():
    printed, status = check("bad_ragged_row.csv", "--json")

    content = json.loads(printed)
    assert status == 1
    assert content["status"] == "refused"
    assert content["rows"] == 40
    assert content["errors"] == [{"kind": "RAGGED_ROW", "row": 19, "line": 20, "column": None}]


def test_check_register_accepts_a_good_file():
    printed, status = check("t1_600000_20260623.zip", "--json")

    content = json.loads(printed)
    assert status == 0
    assert content["status"] == "accepted"
    assert content["accounts_sha256"].startswith("a2152b8d")
    assert [w["kind"] for w in content["warnings"]] == ["ID_CHECKSUM"] * 5


def test_check_register_says_why_and_what_to_do():
    printed, status = check("bad_ragged_row.csv")

    assert status == 1
    assert "19\t20\t-\tRAGGED_ROW" in printed


def test_import_register_loads_approves_and_accounts_for_every_row():
    meeting = sample_meeting()

    printed, status = run(
        "import_register", meeting.pk, SAMPLES / "register.xlsx", "--holders", 208
    )

    assert status == 0
    assert "read 218 = loaded 218 + refused 0 rows" in printed
    register = Register.objects.get()
    assert (register.state, register.uploaded_by, register.approved_by) == (
        "LOADED",
        "command:import",
        "command:approval",
    )
    assert Holder.objects.of_meeting(meeting.pk).count() == 200


def test_import_register_refuses_with_status_one():
    meeting = sample_meeting()

    printed, status = run("import_register", meeting.pk, SAMPLES / "bad_zero_shares.csv", "--json")

    content = json.loads(printed)
    assert status == 1
    assert (content["status"], content["rows"], content["rows_refused"]) == ("refused", 40, 40)
    assert content["errors"] == [{"kind": "QTY_ZERO", "row": 6, "line": 7, "column": "qty"}]
    assert not Holder.objects.of_meeting(meeting.pk).exists()


def test_the_complete_list_of_faults_is_written_as_csv(tmp_path):
    meeting = sample_meeting()
    bad = csv_file(*(row(f"A{n:09d}", qty="0") for n in range(1_200))).getvalue()
    (tmp_path / "bad.csv").write_bytes(bad)
    expected = ("--security-code", "600000", "--record-date", "2026-06-23", "--capital", "A=1")
    checked, imported = tmp_path / "checked.csv", tmp_path / "imported.csv"

    statuses = (
        run("check_register", tmp_path / "bad.csv", *expected, "--faults", checked)[1],
        run("import_register", meeting.pk, tmp_path / "bad.csv", "--faults", imported)[1],
    )

    assert statuses == (1, 1)
    lines = imported.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1_201
    assert lines[1_200].startswith("错误 error,QTY_ZERO,1200,1201,qty,0,")
    assert checked.read_bytes() == imported.read_bytes()


def test_a_list_of_faults_that_cannot_be_written_stops_the_import_before_it_begins(tmp_path):
    meeting = sample_meeting()

    with pytest.raises(CommandError, match="No such file or directory"):
        run(
            *("import_register", meeting.pk, SAMPLES / "register.xlsx"),
            *("--faults", tmp_path / "nowhere" / "faults.csv"),
        )

    assert not Register.objects.exists()


def test_import_register_can_leave_the_approval_to_a_person():
    meeting = sample_meeting()

    printed, status = run(
        "import_register", meeting.pk, SAMPLES / "register.xlsx", "--wait", "--json"
    )

    assert (status, json.loads(printed)["status"]) == (0, "checked")
    assert not Holder.objects.of_meeting(meeting.pk).exists()


def test_import_register_keeps_the_second_person_apart():
    meeting = sample_meeting()

    with pytest.raises(CommandError, match="另一位"):
        run(
            *("import_register", meeting.pk, SAMPLES / "register.xlsx"),
            *("--by", "operator:1", "--approve", "operator:1"),
        )


@pytest.mark.parametrize(
    "arguments", [(999_999, SAMPLES / "register.xlsx"), (1, SAMPLES / "no-such-file.csv")]
)
def test_import_register_says_what_is_missing(arguments):
    with pytest.raises(CommandError):
        run("import_register", *arguments)


@pytest.mark.parametrize("file_format", ["dbf", "csv", "xlsx"])
def test_a_made_register_is_accepted_with_its_own_totals(tmp_path, file_format):
    path = tmp_path / f"made.{file_format}"
    printed, _ = run(
        *("make_register", path, "--holders", 400, "--format", file_format, "--seed", 5),
        *("--shares-total", 10**9),
    )

    checked, status = run(
        "check_register",
        path,
        *("--security-code", "600000", "--record-date", "2026-06-23", "--capital", "A=1000000000"),
        *("--totals", f"{path}.totals.json", "--json"),
    )

    made, found = json.loads(printed), json.loads(checked)
    assert (status, found["errors"], found["warnings"]) == (0, [], [])
    assert {key: found[key] for key in ("rows", "holders", "accounts", "shares")} == {
        key: made[key] for key in ("rows", "holders", "accounts", "shares")
    }
    assert found["shares"] == {"A": 10**9}
    assert len(found["nominee_accounts"]) == len(SPECIAL) - 1
    assert len(found["voteless_accounts"]) == 1


def made_rows(path: Path, *, seed: int, file_format: Any = "csv") -> list[dict[str, Any]]:
    write_register(
        path,
        holders=2_000,
        format=file_format,
        seed=seed,
        security_code="600000",
        record_date=RECORD_DATE,
    )
    with path.open("rb") as file:
        reader = reading.open_register(file, file_name=path.name)
        rows: list[dict[str, Any]] = []
        for chunk in reader.chunks(profiles.recognise(reader.headers, line=reader.header_line)):
            good, found = checks.check_rows(chunk.frame, expectation())
            assert found == []
            rows += good.drop("line").to_dicts()
    return rows


def test_made_registers_are_the_same_for_a_seed_in_every_format(tmp_path):
    first = made_rows(tmp_path / "a.csv", seed=1)

    assert made_rows(tmp_path / "b.dbf", seed=1, file_format="dbf") == first
    assert made_rows(tmp_path / "c.csv", seed=2) != first
    phones = {row["phone"]: row["ymt"] for row in first if row["phone"]}
    assert len(phones) == len(set(phones.values()))
    assert {phone[:3] for phone in phones} == {"154"}


def test_a_register_with_less_than_nothing_left_is_not_made(tmp_path):
    with pytest.raises(ValueError, match="more than shares_total"):
        write_register(
            tmp_path / "a.csv",
            holders=10,
            format="csv",
            seed=1,
            security_code="600000",
            record_date=date(2026, 6, 23),
            shares_total=1,
        )
