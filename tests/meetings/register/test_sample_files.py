"""Every sample register gives exactly what its manifest says, by the path of an import."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from meetings.register import intake
from meetings.register.checks import Expectation, ExpectedClass
from meetings.register.intake import CheckedFile, check_file
from tests.meetings.register.files import RECORD_DATE, SAMPLES, samples, stated_in

pytestmark = pytest.mark.django_db


def check(sample: dict[str, Any]) -> CheckedFile:
    meeting = sample["meeting"]
    classes = enumerate(meeting["issued_shares"].items())
    with (SAMPLES / sample["file"]).open("rb") as file:
        return check_file(
            file,
            file_name=sample["file"],
            expected=Expectation(
                meeting["security_code"],
                RECORD_DATE,
                tuple(ExpectedClass(number, *item) for number, item in classes),
            ),
            stated=stated_in(sample["stated"]),
        )


@pytest.mark.parametrize(
    "sample", [s for s in samples() if s["outcome"] != "reject"], ids=lambda s: s["file"]
)
def test_a_good_file_gives_every_holder_and_share(sample):
    checked = check(sample)

    report, expected = checked.report, sample["expect"]
    assert not report.is_refused
    assert {
        "rows": report.rows,
        "deleted_rows": report.deleted_rows,
        "accounts": report.accounts,
        "holders": report.holders,
        "shares": report.shares,
        "holders_with_mobile": report.holders_with_mobile,
        "nominee_accounts": checked.nominee_accounts,
        "voteless_accounts": checked.voteless_accounts,
        "accounts_sha256": checked.accounts_sha256,
        "warnings": [(w.kind, w.row, w.line, w.column) for w in report.findings.warnings],
    } == {
        **{key: value for key, value in expected.items() if key not in UNSEEN},
        "warnings": [(w["kind"], w["row"], w["line"], w["column"]) for w in expected["warnings"]],
    }


UNSEEN = {"multi_account_holders", "distinct_mobiles"}


@pytest.mark.parametrize(
    "sample", [s for s in samples() if s["outcome"] == "reject"], ids=lambda s: s["file"]
)
def test_a_bad_file_is_refused_for_its_fault(sample):
    checked = check(sample)

    found = [(e.kind, e.row, e.line, e.column) for e in checked.report.findings.errors]
    assert found == [(e["kind"], e["row"], e["line"], e["column"]) for e in sample["errors"]]


def test_a_check_leaves_no_table_behind():
    before = connection.introspection.table_names()

    check(samples()[0])

    assert connection.introspection.table_names() == before
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname ~ '_check_|^rows_|^repeats_|^folds_'"
        )
        assert cursor.fetchall() == []


def test_the_digest_of_accounts_is_the_same_however_many_are_taken_at_once(monkeypatch):
    sample = next(s for s in samples() if s["file"] == "register_utf8_bom.csv")
    at_once = check(sample).accounts_sha256

    monkeypatch.setattr(intake, "LINES_AT_ONCE", 7)

    assert check(sample).accounts_sha256 == at_once == sample["expect"]["accounts_sha256"]
