"""What each row is checked for, and how it is understood."""

from __future__ import annotations

import io

import polars as pl
import pytest

from meetings.register import checks, profiles, reading
from meetings.register.fault_list import KEPT_OF_A_KIND, Findings
from meetings.register.findings import Finding
from meetings.register.sealed_rows import Keys, RowSealer
from tests.meetings.register.files import GOOD_ID, csv_file, expectation, row

pytestmark = pytest.mark.django_db  # the profiles of headers are data


def check(*rows: str) -> tuple[pl.DataFrame, list[tuple[str, int | None, str | None]]]:
    reader = reading.open_register(io.BytesIO(csv_file(*rows).getvalue()), file_name="a.csv")
    (chunk,) = reader.chunks(profiles.recognise(reader.headers, line=1))
    good, found = checks.check_rows(chunk.frame, expectation(A=10**12, SVR=10**12))
    return good, [(f.kind, f.row, f.column) for f in found]


@pytest.mark.parametrize(
    ("qty", "kind"),
    [
        ("1000.00", "QTY_FRACTION"),
        (".5", "QTY_FRACTION"),
        ("-5", "QTY_NEGATIVE"),
        ("-0.5", "QTY_NEGATIVE"),
        ("0", "QTY_ZERO"),
        ("000", "QTY_ZERO"),
        ("1" + "0" * 15, "QTY_OVERFLOW"),
        ("0" * 15 + "1", "QTY_OVERFLOW"),
        ("1e5", "QTY_FORMAT"),
        ("+5", "QTY_FORMAT"),
        ('"1,000"', "QTY_FORMAT"),
        ("１００", "QTY_FORMAT"),
        ("100股", "QTY_FORMAT"),
        (".", "QTY_FORMAT"),
        ("", "BLANK_VALUE"),
    ],
)
def test_a_quantity_is_a_whole_number_of_shares(qty, kind):
    good, found = check(row("A000000001", qty=qty), row("A000000002", qty=" 999999999999999 "))

    assert found == [(kind, 1, "qty")]
    assert good["shares"].to_list() == [999_999_999_999_999]


@pytest.mark.parametrize(
    "account", ["B000000001", "D000000001", "E000000001", "F000000001", "C900000001", "C100000001"]
)
def test_accounts_of_every_form_are_taken(account):
    assert check(row(account))[1] == []


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        ("", "BLANK_VALUE"),
        ("a000000001", "ACCOUNT_FORMAT"),
        ("G000000001", "ACCOUNT_FORMAT"),
        ("C200000001", "ACCOUNT_FORMAT"),
        ("A00000001", "ACCOUNT_FORMAT"),
        ("A0000000011", "ACCOUNT_FORMAT"),
        ("A00000000１", "ACCOUNT_FORMAT"),
    ],
)
def test_other_accounts_are_refused(account, kind):
    assert check(row(account))[1] == [(kind, 1, "account_no")]


@pytest.mark.parametrize("ymt", ["1", "000000000000", "无", "A80000000001"])
def test_a_placeholder_never_joins_people(ymt):
    assert check(row("A000000001", ymt=ymt))[1] == [("ACCOUNT_FORMAT", 1, "ymt_no")]


@pytest.mark.parametrize("id_no", ["-", "无", "0", "000000000000000000", "N/A"])
def test_a_document_that_is_none_never_joins_people(id_no):
    good, _found = check(
        row("A000000001", id_no=id_no, id_type="其他"),
        row("A000000002", id_no=id_no, id_type="其他"),
    )

    assert good["document"].to_list() == ["", ""]
    keys = Keys.random()
    lines = RowSealer(keys, "AES-256-GCM", 0, 1).lines(good).holders.decode().splitlines()
    assert len({line.split(",")[-3] for line in lines}) == 2


def test_a_row_that_comes_again_in_other_words_is_the_same_row():
    in_codes = row("A000000001", circ="0", right="00"), row("A000000001", circ="1", right="01")
    in_words = (
        row("A000000001", circ="无限售流通股", right="无"),
        row("A000000001", circ="有限售条件流通股", right="质押"),
    )
    as_numbers = row("A000000001", circ="0", right="0"), row("A000000001", circ="1", right="1")

    natures = check(*in_codes, *in_words, *as_numbers)[0]["nature"].to_list()

    assert natures == ["0|00", "1|01"] * 3


def test_a_type_of_document_is_the_same_in_code_word_and_number():
    types = ("01", "居民身份证", "1")

    good, _found = check(*(row(f"A00000000{n}", id_type=name) for n, name in enumerate(types)))

    assert set(good["id_type"]) == {"01"}


@pytest.mark.parametrize("name", ["=1+1", "@x", "<b>", "张\u202e三", "张\u200b三"])
def test_a_name_that_deceives_is_kept_and_shown(name):
    good, found = check(row("A000000001", name=name))

    assert good["name"].to_list() == [name]
    assert found == [("NAME_SUSPICIOUS", 1, "holder_name")]


@pytest.mark.parametrize(
    ("file_name", "kinds"),
    [
        ("t1_600000_20260623.dbf", []),
        ("T1_600000_2026-06-23.csv", []),
        ("register.csv", []),
        ("t1_600000_20260622.dbf", ["FILE_NAME"]),
        ("t1_600001_20260623.dbf", ["FILE_NAME"]),
    ],
)
def test_a_file_name_of_another_security_or_day_is_a_warning(file_name, kinds):
    found = list(checks.check_file_name(expectation(), file_name))

    assert [finding.kind for finding in found] == kinds
    assert all(finding.is_warning for finding in found)


@pytest.mark.parametrize(
    ("id_type", "id_no", "kind"),
    [
        ("居民身份证", GOOD_ID.lower(), None),
        ("居民身份证", GOOD_ID[:17] + "1", "ID_CHECKSUM"),
        ("居民身份证", "12345", "ID_CHECKSUM"),
        ("居民身份证", "110105491231002", None),
        ("居民身份证", "110105491331002", "ID_DATE"),
        ("居民身份证", "11010549123100X", "ID_DATE"),
        ("统一社会信用代码", "12100000132200581A", None),
        ("统一社会信用代码", "91310000747253671W", None),
        ("统一社会信用代码", "91310000747253671V", "ID_CHECKSUM"),
        ("统一社会信用代码", "91310000747253671A", "ID_CHECKSUM"),
        ("港澳台居民居住证", GOOD_ID[:17] + "1", "ID_CHECKSUM"),
        ("外国人永久居留身份证", "CHN310101012345", None),
        ("护照", "E12345678", None),
        ("居民身份证", "", None),
    ],
)
def test_a_wrong_document_number_is_a_warning(id_type, id_no, kind):
    good, found = check(row("A000000001", id_type=id_type, id_no=id_no))

    assert [kind for kind, *_ in found] == ([kind] if kind else [])
    assert len(good) == 1


@pytest.mark.parametrize(
    ("phone", "sendable"),
    [
        ("154 0000-0001", "15400000001"),
        ("+86 15400000001", "15400000001"),
        ("8615400000001", "15400000001"),
        ("（+86）１５４０００００００１", "15400000001"),
        ("021-02834778", ""),
        ("154000000012", ""),
        ("25400000001", ""),
        ("", ""),
    ],
)
def test_only_a_mobile_number_is_sendable(phone, sendable):
    assert check(row("A000000001", phone=phone))[0]["phone"].to_list() == [sendable]


@pytest.mark.parametrize(
    ("account", "name", "id_type", "kind"),
    [
        ("A000000001", "张三", "居民身份证", "I"),
        ("A000000001", "张三", "", "I"),
        ("B000000001", "虚构有限公司", "", "O"),
        ("A000000001", "虚构有限公司", "11", "O"),
        ("D000000001", "虚构证券股份有限公司客户信用交易担保证券账户", "11", "N"),
        ("D000000001", "中国证券金融股份有限公司转融通担保证券账户", "11", "N"),
        ("D000000001", "香港中央结算有限公司", "99", "N"),
        ("B000000001", "虚构股份有限公司回购专用证券账户", "11", "V"),
    ],
)
def test_holders_are_told_apart_by_document_and_name(account, name, id_type, kind):
    good, _ = check(row(account, name=name, id_type=id_type))

    assert good["kind"].to_list() == [kind]


def test_names_are_compared_without_width_and_blanks_but_kept_as_they_are():
    good, _ = check(row("A000000001", name="ＡＢ　公司（集团）  甲"))

    assert good["identity"].to_list() == ["AB 公司(集团) 甲"]
    assert good["name"].to_list() == ["ＡＢ　公司（集团）  甲"]


def test_classes_follow_their_words_and_else_the_security_code():
    good, found = check(
        row("A000000001", class_="TB"),
        row("A000000002", class_=""),
        row("A000000003", class_="a股"),
        row("A000000004", class_="B股"),
        row("A000000005", class_="??"),
    )

    assert good["share_class"].to_list() == [1, 0, 0]
    assert found == [
        ("CLASS_NOT_OF_MEETING", 4, "share_class"),
        ("CLASS_NOT_OF_MEETING", 5, "share_class"),
    ]


def test_every_fault_of_a_row_is_told_and_no_row_twice():
    good, found = check(row("A1", code="600001", name="", qty="x"))

    assert good.is_empty()
    assert found == [
        ("WRONG_SECURITY_CODE", 1, "security_code"),
        ("ACCOUNT_FORMAT", 1, "account_no"),
        ("BLANK_VALUE", 1, "holder_name"),
        ("QTY_FORMAT", 1, "qty"),
    ]


def test_totals_of_classes_speak_only_when_the_sum_is_right():
    expected = expectation(A=10, B=10)

    def kinds(**stated: object) -> list[str]:
        totals = checks.Stated(**stated)  # type: ignore[arg-type]
        shares = {"A": 6, "B": 4}
        return [
            finding.kind
            for finding in checks.check_totals(expected, totals, accounts=2, shares=shares)
        ]

    assert kinds(accounts=2, total_shares=10, shares={"A": 6, "B": 4}) == []
    assert kinds(total_shares=10, shares={"A": 4, "B": 6}) == ["TOTAL_CLASS"] * 2
    assert kinds(shares={"A": 6}) == ["TOTAL_CLASS"]
    assert kinds(total_shares=11, shares={"A": 7, "B": 4}) == ["TOTAL_SHARES"]


def test_faults_without_end_take_no_memory_without_end():
    findings = Findings()

    findings.add(Finding("QTY_ZERO", row) for row in range(5_000))

    assert findings.counts["QTY_ZERO"] == 5_000
    assert len(findings.errors) == KEPT_OF_A_KIND
