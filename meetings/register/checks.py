"""Checks of a register's rows, a chunk at a time (名册检查): what is wrong becomes a finding, the
rest becomes what the loading needs, in the words that the portal uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from meetings.register.chunks import findings_where
from meetings.register.findings import Finding
from meetings.register.id_numbers import has_resident_check_character, is_credit_code

ACCOUNT = r"^(?:[ABDEF][0-9]{9}|C[19][0-9]{8})$"
YMT = r"^[0-9]{12}$"
PHONE = r"^(?:\+?86)?(1[0-9]{10})$"
OPTIONAL = ("ymt_no", "id_type", "id_no", "share_class", "circ_type", "right_type", "phone")

# 证券类别 -> class of shares; 普通股 and blank follow from the security code.
CLASSES = {
    "A": "A",
    "A股": "A",
    "B": "B",
    "B股": "B",
    "YX": "PREF",
    "PREF": "PREF",
    "优先股": "PREF",
    "TB": "SVR",
    "SVR": "SVR",
    "特别表决权股": "SVR",
    "特别表决权股份": "SVR",
}
ORDINARY = ("", "PT", "普通股")
# Words of 流通类型 and 权益类别, and codes that a spreadsheet took for numbers: rows that say the
# same in other words are the same row.
CIRCULATION = {"无限售流通股": "0", "有限售条件流通股": "1"}
RIGHTS = {"无": "00", "0": "00", "质押": "01", "1": "01"}
ID_TYPES = {
    "居民身份证": "01",
    "身份证": "01",
    "护照": "02",
    "军官证": "03",
    "港澳居民来往内地通行证": "04",
    "台湾居民来往大陆通行证": "05",
    "港澳台居民居住证": "06",
    "外国人永久居留身份证": "07",
    "统一社会信用代码": "11",
    "营业执照注册号": "12",
    "批文号": "13",
    "其他": "99",
    **{str(code): f"0{code}" for code in range(1, 8)},  # as a spreadsheet writes them
}
RESIDENT, RESIDENCE_PERMITS, CREDIT_CODE = "01", ("06", "07"), "11"
PEOPLE = ("01", "02", "03", "04", "05", "06", "07")
BODIES = ("11", "12", "13")

# What names no document: `-`, 无, 0000. Whoever shares it is not one person.
DOCUMENT = "[1-9]"
# Written to deceive whoever reads it: a formula, HTML, or characters that nobody sees.
SUSPICIOUS = r"^[=+\-@]|<|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
FILE_NAME = re.compile(r"(?<![0-9])([0-9]{6})_([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?![0-9])")

# Found by name only (N9): they vote for others, or not at all.
NOMINEES = "客户信用交易担保|转融通担保|约定购回|香港中央结算|HKSCC"
VOTELESS = "回购专用"


@dataclass(frozen=True)
class ExpectedClass:
    number: int  # its place in Holder.shares
    code: str
    capital: int  # shares issued


@dataclass(frozen=True)
class Expectation:
    """What the meeting says of its register."""

    security_code: str
    record_date: date
    classes: tuple[ExpectedClass, ...]

    @property
    def ordinary(self) -> str:
        """The class of ordinary shares under this security code."""
        return "B" if self.security_code.startswith("900") else "A"

    @property
    def codes(self) -> dict[int, str]:
        return {share_class.number: share_class.code for share_class in self.classes}

    @property
    def width(self) -> int:
        """How many elements Holder.shares has."""
        return max(self.codes, default=0) + 1


@dataclass(frozen=True)
class Stated:
    """Control totals of the side form (申报数); None where it says nothing."""

    accounts: int | None = None
    total_shares: int | None = None
    shares: Mapping[str, int] = field(default_factory=dict)  # by class
    security_code: str | None = None
    record_date: date | None = None


def check_rows(frame: pl.DataFrame, expected: Expectation) -> tuple[pl.DataFrame, list[Finding]]:
    """The good rows of a chunk, and what is wrong or odd in it.

    Columns of the good rows: row, line, account, ymt, name, identity (the name as it is compared),
    id_type, id_no, document (the number where it tells a person), share_class (number), nature
    (流通类型 and 权益类别), shares, phone (blank: not sendable), kind (of Holder).
    """
    frame = frame.with_columns(pl.lit("").alias(at) for at in OPTIONAL if at not in frame.columns)
    rules = _refusals(expected)
    flags = frame.select(condition.alias(str(at)) for at, (*_, condition) in enumerate(rules))
    findings: list[Finding] = []
    if any(flags.select(pl.all().any()).row(0)):
        for (kind, column, condition), flag in zip(rules, flags, strict=True):
            if flag.any():
                findings += findings_where(frame, condition, kind, column, column)
        frame = frame.filter(~flags.select(pl.any_horizontal(pl.all())).to_series())
    good = _good_rows(frame, expected)
    return good, [*findings, *_oddities(frame, good)]


def check_totals(
    expected: Expectation, stated: Stated, *, accounts: int, shares: Mapping[str, int]
) -> Iterator[Finding]:
    """Control totals (3.5): what was stated, and the capital, against what was read."""
    if stated.accounts not in (None, accounts):
        yield Finding("TOTAL_ACCOUNTS", value=f"{stated.accounts} ≠ {accounts}")
    total = sum(shares.values())
    if stated.total_shares not in (None, total):
        yield Finding("TOTAL_SHARES", value=f"{stated.total_shares} ≠ {total}")
    else:
        for code in sorted({*stated.shares, *shares} if stated.shares else ()):
            if stated.shares.get(code, 0) != shares.get(code, 0):
                value = f"{code}: {stated.shares.get(code, 0)} ≠ {shares.get(code, 0)}"
                yield Finding("TOTAL_CLASS", value=value)
    for share_class in expected.classes:
        if (found := shares.get(share_class.code, 0)) > share_class.capital:
            value = f"{share_class.code}: {found} > {share_class.capital}"
            yield Finding("OVER_CAPITAL", value=value)


def check_side_form(expected: Expectation, stated: Stated) -> Iterator[Finding]:
    """The side form is of this security and this record date."""
    if stated.security_code not in (None, expected.security_code):
        yield Finding("WRONG_SECURITY_CODE", value=str(stated.security_code))
    if stated.record_date not in (None, expected.record_date):
        value = f"{stated.record_date} ≠ {expected.record_date}"
        yield Finding("RECORD_DATE_MISMATCH", value=value)


def check_file_name(expected: Expectation, file_name: str) -> Iterator[Finding]:
    """A name that tells security and date (`..600000_20260623..`) should tell the meeting's."""
    if named := FILE_NAME.search(file_name):
        code, *day = named.groups()
        if (code, "-".join(day)) != (expected.security_code, str(expected.record_date)):
            yield Finding("FILE_NAME", value=named[0])


def _refusals(expected: Expectation) -> list[tuple[str, str, pl.Expr]]:
    """Kind, column and condition of everything for which a row is refused."""
    code, account, ymt, name, qty = (
        pl.col(name) for name in ("security_code", "account_no", "ymt_no", "holder_name", "qty")
    )
    digits = qty.str.contains(r"^[0-9]+$")
    negative = qty.str.contains(r"^-[0-9]+(?:\.[0-9]*)?$")
    fraction = qty.str.contains(r"^[0-9]*\.[0-9]*$") & qty.str.contains("[0-9]")
    return [
        ("BLANK_VALUE", "security_code", code == ""),
        ("WRONG_SECURITY_CODE", "security_code", ~code.is_in(["", expected.security_code])),
        ("BLANK_VALUE", "account_no", account == ""),
        ("ACCOUNT_FORMAT", "account_no", ~account.str.contains(ACCOUNT) & (account != "")),
        ("ACCOUNT_FORMAT", "ymt_no", (ymt != "") & (~ymt.str.contains(YMT) | (ymt == "0" * 12))),
        ("BLANK_VALUE", "holder_name", name == ""),
        ("CLASS_NOT_OF_MEETING", "share_class", _class_number(expected).is_null()),
        ("BLANK_VALUE", "qty", qty == ""),
        ("QTY_FRACTION", "qty", fraction),
        ("QTY_NEGATIVE", "qty", negative),
        ("QTY_ZERO", "qty", qty.str.contains("^0{1,15}$")),
        ("QTY_OVERFLOW", "qty", digits & (qty.str.len_bytes() > 15)),
        ("QTY_FORMAT", "qty", (qty != "") & ~digits & ~negative & ~fraction),
    ]


def _class_number(expected: Expectation) -> pl.Expr:
    numbers = {share_class.code: share_class.number for share_class in expected.classes}
    codes = {**CLASSES, **dict.fromkeys(ORDINARY, expected.ordinary)}
    known = {word: numbers[code] for word, code in codes.items() if code in numbers}
    word = pl.col("share_class").str.to_uppercase()
    return word.replace_strict(known, default=None, return_dtype=pl.Int16)


def _good_rows(frame: pl.DataFrame, expected: Expectation) -> pl.DataFrame:
    name = pl.col("holder_name")
    identity = _folded(frame, "holder_name").str.replace_all(r"\s+", " ").str.strip_chars()
    id_no = _folded(frame, "id_no").str.to_uppercase().str.replace_all(r"\s+", "")
    phone = _folded(frame, "phone").str.replace_all(r"[\s()\[\]{}-]", "")
    id_type = pl.col("id_type").replace(ID_TYPES)
    rows = frame.select(
        "row",
        "line",
        account="account_no",
        ymt="ymt_no",
        name=name,
        identity=identity,
        id_type=id_type,
        id_no=id_no,
        share_class=_class_number(expected),
        document=pl.when(id_no.str.contains(DOCUMENT)).then(id_no).otherwise(pl.lit("")),
        nature=pl.concat_str(
            pl.col("circ_type").replace(CIRCULATION),
            pl.lit("|"),
            pl.col("right_type").replace(RIGHTS),
        ),
        shares=pl.col("qty").cast(pl.Int64),
        phone=phone.str.extract(PHONE).fill_null(""),
    )
    is_person = id_type_is(PEOPLE) | (
        ~id_type_is(BODIES) & pl.col("account").str.contains("^(?:A|C1|E|F)")
    )
    return rows.with_columns(
        kind=pl.when(pl.col("identity").str.contains(VOTELESS))
        .then(pl.lit("V"))
        .when(pl.col("identity").str.contains(NOMINEES))
        .then(pl.lit("N"))
        .when(is_person)
        .then(pl.lit("I"))
        .otherwise(pl.lit("O"))
    )


def id_type_is(codes: tuple[str, ...]) -> pl.Expr:
    return pl.col("id_type").is_in(codes)


def _folded(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Full-width forms as the ordinary ones (NFKC); ASCII is left alone, which is faster."""
    is_ascii = (frame[column].str.len_bytes() == frame[column].str.len_chars()).all()
    return pl.col(column) if is_ascii else pl.col(column).str.normalize("NFKC")


def _oddities(frame: pl.DataFrame, good: pl.DataFrame) -> Iterator[Finding]:
    """Warnings: the register stays the legal evidence, a person should have a look."""
    suspicious = pl.col("holder_name").str.contains(SUSPICIOUS)
    yield from findings_where(frame, suspicious, "NAME_SUSPICIOUS", "holder_name", "holder_name")
    if "is_name_cut" in frame.columns:
        cut = pl.col("is_name_cut")
        yield from findings_where(frame, cut, "NAME_TRUNCATED", "holder_name", "holder_name")
    is_18, is_15 = (pl.col("id_no").str.len_bytes() == length for length in (18, 15))
    with_number = good.filter(pl.col("id_no") != "")
    resident = with_number.filter(
        id_type_is((RESIDENT,)) & ~is_15 | id_type_is(RESIDENCE_PERMITS) & is_18
    )
    wrong = resident.filter(~has_resident_check_character())
    bodies = with_number.filter(id_type_is((CREDIT_CODE,)))
    wrong_body = [not is_credit_code(number) for number in bodies["id_no"]]
    old = with_number.filter(id_type_is((RESIDENT,)) & is_15)
    born = pl.concat_str(pl.lit("19"), pl.col("id_no").str.slice(6, 6)).str.to_date(
        "%Y%m%d", strict=False
    )
    no_date = born.is_null() | ~pl.col("id_no").str.contains("^[0-9]{15}$")
    everyone = pl.lit(value=True)
    for kind, rows in (
        ("ID_CHECKSUM", wrong),
        ("ID_CHECKSUM", bodies.filter(pl.Series(wrong_body, dtype=pl.Boolean))),
        ("ID_DATE", old.filter(no_date)),
    ):
        yield from findings_where(rows, everyone, kind, "id_no", "id_no")
