"""Registers of people who do not exist (演示名册), for the demo, the bench and tests.

Deterministic in the seed, and recognisably made up: ID numbers carry right check characters under
province codes that were never assigned, and phones begin with 154, which no carrier has.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO, Literal

import polars as pl
import xlsxwriter

from meetings.register.id_numbers import CREDIT_ALPHABET, credit_check_character, resident_sum

Format = Literal["dbf", "csv", "xlsx"]

CHUNK_HOLDERS = 20_000
MOST_HOLDERS = 49_999_999  # two accounts and a phone each
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
MARKS = "拟构仿例设试模演测"  # says that it is an example
STEMS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
PROVINCES = ("19", "29", "39", "48", "58", "68")
PERCENT_BODIES, PERCENT_TWO_ACCOUNTS, PERCENT_RESTRICTED, PERCENT_WITHOUT_PHONE = 2, 3, 4, 5
SECOND_ACCOUNTS = 50_000_000
SPECIAL = (
    "虚构甲子股份有限公司回购专用证券账户",
    "拟设丁寅证券股份有限公司客户信用交易担保证券账户",
    "示例亥申证券股份有限公司客户信用交易担保证券账户",
    "香港中央结算有限公司",
    "中国证券金融股份有限公司转融通担保证券账户",
    "虚构巳卯证券股份有限公司约定购回专用账户",
)
HOLDERS_FOR_SPECIAL = 50  # a smaller register has ordinary holders only

# frame column -> header of a CSV or XLSX, field of a DBF, its width in bytes
COLUMNS = {
    "account": ("证券账户号码", "HSTGDDM", 10),
    "code": ("证券代码", "HSTTGDM", 9),
    "class": ("证券类别", "HSTZQLB", 2),
    "circulation": ("流通类型", "HSTLTLX", 1),
    "right": ("权益类别", "HSTQYLB", 2),
    "qty": ("持有数量", "HSTCYSL", 11),
    "short_name": ("", "HSTGDXM", 12),
    "name": ("持有人名称", "HSTGDQC", 80),
    "ymt": ("一码通账户号码", "YMTZH", 12),
    "id_type": ("证件类型", "ZJLB", 2),
    "id_no": ("证件号码", "ZJHM", 40),
    "phone": ("联系电话", "LXDH", 20),
}
_RECORD_BYTES = 1 + sum(width for _header, _field, width in COLUMNS.values())
_HEADER_BYTES = 32 + 32 * len(COLUMNS) + 1
SHEET_COLUMNS = [name for name, (header, *_dbf) in COLUMNS.items() if header]


@dataclass(frozen=True)
class Totals:
    """What was written, as the side form of a register states it."""

    security_code: str
    record_date: str
    rows: int
    holders: int
    accounts: int
    total_shares: int
    shares: dict[str, int]  # by class


def write_register(
    path: Path,
    *,
    holders: int,
    format: Format,  # noqa: A002  (what everybody calls it)
    seed: int,
    security_code: str,
    record_date: date,
    shares_total: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Totals:
    """Write a register of so many holders, and its totals as `PATH.totals.json` beside it.

    A few in a hundred have two accounts, restricted shares, or no phone. With `shares_total` the
    last row gets what the others leave of it; ValueError when they leave nothing.
    """
    if not 0 < holders <= MOST_HOLDERS:
        raise ValueError(f"a register of {holders} holders cannot be made")
    rows = accounts = total = 0
    with path.open("wb") as file:
        writer = _WRITERS[format](file, record_date)
        for first in range(1, holders + 1, CHUNK_HOLDERS):
            end = min(first + CHUNK_HOLDERS, holders + 1)
            frame = _rows(first, end, holders=holders, seed=seed, security_code=security_code)
            if end > holders and shares_total is not None:
                frame = _with_rest(frame, shares_total - total)
            writer.write(frame)
            rows += len(frame)
            accounts += frame["account"].n_unique()
            total += int(frame["qty"].sum())
            if progress is not None:
                progress((end - 1) / holders)
        writer.close(rows)
    share_class = "B" if security_code.startswith("900") else "A"
    totals = Totals(
        security_code, record_date.isoformat(), rows, holders, accounts, total, {share_class: total}
    )
    path.with_name(f"{path.name}.totals.json").write_text(
        json.dumps(asdict(totals), ensure_ascii=False) + "\n"
    )
    return totals


def _rows(first: int, end: int, *, holders: int, seed: int, security_code: str) -> pl.DataFrame:
    """The rows of holders `first` to `end` (not included): no two chunks share an account."""
    index = pl.int_range(first, end, dtype=pl.Int64, eager=True).alias("index").to_frame()
    people = index.with_columns(
        name=pl.concat_str(
            _pick(SURNAMES, seed, 1),
            _pick(MARKS, seed, 2),
            _pick(STEMS, seed, 3),
            _pick(STEMS, seed, 4),
        ),
        id_type=pl.lit("01"),
        id_no=_resident_numbers(seed),
        phone=pl.when(_random(seed, 5, 100) < PERCENT_WITHOUT_PHONE)
        .then(pl.lit(""))
        .otherwise(pl.concat_str(pl.lit("154"), _digits(pl.col("index"), 8))),
        qty=((10.0 ** (_random(seed, 6, 4000) / 1000)) * 100).cast(pl.Int64)
        + pl.when(_random(seed, 7, 10) == 0).then(_random(seed, 8, 99)).otherwise(0),
        letter=pl.lit("C1" if security_code.startswith("900") else "A"),
    )
    special = SPECIAL if holders >= HOLDERS_FOR_SPECIAL else ()
    is_body = (pl.col("index") <= len(special)) | (_random(seed, 9, 100) < PERCENT_BODIES)
    bodies = _as_bodies(people.filter(is_body), special, seed, security_code)
    frame = (
        pl.concat([people.filter(~is_body), bodies])
        .sort("index")
        .with_columns(
            code=pl.lit(security_code),
            circulation=pl.lit("0"),
            right=pl.lit("00"),
            ymt=pl.concat_str(pl.lit("18"), _digits(pl.col("index"), 10)),
            account=_accounts(pl.col("index")),
            **{"class": pl.lit("PT")},
        )
    )
    is_ordinary = pl.col("index") > len(special)
    second = frame.filter(
        is_ordinary & (_random(seed, 10, 100) < PERCENT_TWO_ACCOUNTS)
    ).with_columns(account=_accounts(pl.col("index") + SECOND_ACCOUNTS))
    restricted = frame.filter(
        is_ordinary & (_random(seed, 11, 100) < PERCENT_RESTRICTED)
    ).with_columns(circulation=pl.lit("1"))
    return (
        pl.concat([frame, second, restricted])
        .with_columns(short_name=pl.col("name").str.slice(0, 6))
        .select(*COLUMNS)
    )


def _as_bodies(
    people: pl.DataFrame, special: tuple[str, ...], seed: int, security_code: str
) -> pl.DataFrame:
    """Companies in the place of people; the first of a register are those that vote otherwise."""
    names, numbers, letters = [], [], []
    for index, name in people.select("index", "name").iter_rows():
        is_special = index <= len(special)
        names.append(special[index - 1] if is_special else f"{name[1:]}投资有限公司")
        body = f"91{PROVINCES[seed % len(PROVINCES)]}0000"
        body += "".join(CREDIT_ALPHABET[index // 31**place % 31] for place in range(9))
        numbers.append(body + credit_check_character(body))
        letters.append("D" if is_special and index > 1 else "B")
    if security_code.startswith("900"):
        letters = ["C9"] * len(letters)
    return people.with_columns(
        name=pl.Series(names, dtype=pl.String),
        id_type=pl.lit("11"),
        id_no=pl.Series(numbers, dtype=pl.String),
        phone=pl.lit(""),
        letter=pl.Series(letters, dtype=pl.String),
        qty=pl.col("qty") * 100,
    )


def _accounts(number: pl.Expr) -> pl.Expr:
    width = 10 - pl.col("letter").str.len_chars()
    digits = pl.concat_str(pl.lit("0" * 9), number.cast(pl.String))
    return pl.col("letter") + digits.str.slice(digits.str.len_chars() - width)


def _resident_numbers(seed: int) -> pl.Expr:
    """18 digits whose check character is right, of people born 1940 to 2004."""
    birth = (
        (_random(seed, 12, 65) + 1940) * 10_000
        + (_random(seed, 13, 12) + 1) * 100
        + (_random(seed, 14, 28) + 1)
    )
    province = _pick(PROVINCES, seed, 15).cast(pl.Int64) * 10_000 + 101
    body = (province * 10**8 + birth) * 1_000 + pl.col("index") % 1_000
    check = (12 - resident_sum(body) % 11) % 11
    return body.cast(pl.String) + check.cast(pl.String).replace("10", "X")


def _random(seed: int, stream: int, below: int) -> pl.Expr:
    """A number from 0 for each holder: splitmix64 of the index, the same on every machine."""
    start = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64
    mixed = pl.col("index").cast(pl.UInt64) * pl.lit(0x9E3779B97F4A7C15, pl.UInt64)
    mixed = mixed + pl.lit(start, pl.UInt64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed // 2**shift)) * pl.lit(factor, pl.UInt64)
    return ((mixed // 2**33) % below).cast(pl.Int64)


def _pick(words: Sequence[str], seed: int, stream: int) -> pl.Expr:
    table = dict(enumerate(words))
    return _random(seed, stream, len(words)).replace_strict(table, return_dtype=pl.String)


def _digits(number: pl.Expr, width: int) -> pl.Expr:
    return number.cast(pl.String).str.zfill(width)


def _with_rest(frame: pl.DataFrame, left: int) -> pl.DataFrame:
    """The last row takes what the others leave."""
    rest = left - frame["qty"][:-1].sum()
    if rest <= 0:
        raise ValueError(f"the other rows have {-rest} shares more than shares_total")
    is_last = pl.int_range(pl.len()) == pl.len() - 1
    return frame.with_columns(qty=pl.when(is_last).then(rest).otherwise("qty"))


class _CsvWriter:
    """UTF-8 with BOM, as Excel writes it."""

    def __init__(self, file: IO[bytes], _record_date: date) -> None:
        self._file = file
        headers = ",".join(COLUMNS[name][0] for name in SHEET_COLUMNS)
        file.write(f"\ufeff{headers}\r\n".encode())

    def write(self, rows: pl.DataFrame) -> None:
        rows.select(SHEET_COLUMNS).write_csv(
            self._file, include_header=False, line_terminator="\r\n", quote_style="never"
        )

    def close(self, _rows: int) -> None: ...


class _XlsxWriter:
    """Text cells, the quantity a number."""

    def __init__(self, file: IO[bytes], _record_date: date) -> None:
        self._book = xlsxwriter.Workbook(file, {"constant_memory": True})
        self._sheet = self._book.add_worksheet("股东名册")
        self._sheet.write_row(0, 0, [COLUMNS[name][0] for name in SHEET_COLUMNS])
        self._rows = 0

    def write(self, rows: pl.DataFrame) -> None:
        for row in rows.select(SHEET_COLUMNS).iter_rows():
            self._rows += 1
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    self._sheet.write_number(self._rows, column, cell)
                else:
                    self._sheet.write_string(self._rows, column, cell)

    def close(self, _rows: int) -> None:
        self._book.close()


class _DbfWriter:
    """dBase III in GB18030; the number of records is filled in at the end."""

    def __init__(self, file: IO[bytes], record_date: date) -> None:
        self._file = file
        self._date = bytes((record_date.year - 1900, record_date.month, record_date.day))
        file.write(self._header(0))
        for name, (_header, field, width) in COLUMNS.items():
            kind = b"N" if name == "qty" else b"C"
            file.write(struct.pack("<11sc4xBB14x", field.encode(), kind, width, 0))
        file.write(b"\r")

    def write(self, rows: pl.DataFrame) -> None:
        records = rows.select(
            pl.concat_str(pl.lit(" "), *(_padded(name) for name in COLUMNS))
        ).to_series()
        self._file.write("".join(records).encode("gb18030"))

    def close(self, rows: int) -> None:
        self._file.write(b"\x1a")
        self._file.seek(0)
        self._file.write(self._header(rows))

    def _header(self, rows: int) -> bytes:
        return struct.pack("<B3sIHH20x", 0x03, self._date, rows, _HEADER_BYTES, _RECORD_BYTES)


_WRITERS: dict[str, type[_CsvWriter | _DbfWriter | _XlsxWriter]] = {
    "csv": _CsvWriter,
    "dbf": _DbfWriter,
    "xlsx": _XlsxWriter,
}


def _padded(name: str) -> pl.Expr:
    """A cell as wide as its field: names are Chinese, two bytes a character."""
    width = COLUMNS[name][2]
    if name == "qty":
        return pl.col(name).cast(pl.String).str.pad_start(width)
    if name in ("name", "short_name"):
        blanks = width - 2 * pl.col(name).str.len_chars()
        return pl.col(name) + pl.lit(" " * width).str.slice(0, blanks)
    return pl.col(name).str.pad_end(width)
