"""The way of a register from its file into filled tables, the same for a check and for a load."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

import polars as pl
from django.db import transaction

from meetings.register import checks, profiles, reading
from meetings.register.checks import Expectation, Stated
from meetings.register.fault_list import Findings
from meetings.register.findings import Finding, Unreadable
from meetings.register.folding import Folding
from meetings.register.sealed_rows import Keys
from meetings.register.staging import Staging

Progress = Callable[[float], None]  # is called with the part that is done, 0 to 1
_SEEN = {"account": pl.String, "share_class": pl.Int16, "shares": pl.Int64, "kind": pl.String}
LINES_AT_ONCE = 50_000
_ANY_MEETING = 1  # a check belongs to none; its ids are rolled back with everything else


@dataclass
class Report:
    """What a register says, and what is wrong with it."""

    findings: Findings = field(default_factory=Findings)
    rows: int = 0  # live records read
    deleted_rows: int = 0
    accounts: int = 0
    holders: int = 0
    holders_with_mobile: int = 0
    shares: Counter[str] = field(default_factory=Counter)  # by class
    unknown_columns: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        return self.findings.has_errors


@dataclass(frozen=True)
class CheckedFile:
    """A report, and what only a check shows: the accounts in clear."""

    report: Report
    accounts_sha256: str  # of the sorted lines `account|class|shares`
    nominee_accounts: list[str]
    voteless_accounts: list[str]


def take_in(
    file: IO[bytes],
    *,
    file_name: str,
    expected: Expectation,
    stated: Stated,
    staging: Staging,
    progress: Progress | None = None,
    look: Callable[[pl.DataFrame], None] | None = None,
) -> Report:
    """Read, check, seal and count a file into the staging's tables.

    The tables are complete only when the report has no error. `look` sees the good rows of every
    chunk (checks.check_rows).
    """
    report = Report()
    findings = report.findings
    findings.add(checks.check_side_form(expected, stated))
    findings.add(checks.check_file_name(expected, file_name))
    try:
        for rows in _good_rows(file, file_name, expected, report, progress):
            staging.add(rows)
            sums = rows.group_by("share_class").agg(pl.col("shares").cast(pl.Int128).sum())
            for number, total in sums.iter_rows():
                report.shares[expected.codes[number]] += int(total)
            if look is not None:
                look(rows)
    except Unreadable as refusal:
        findings.add(refusal.findings)
    else:
        if report.rows == 0:
            findings.add([Finding("NO_ROWS")])
    staging.finish()
    folding = Folding(staging)
    findings.add(folding.duplicates())
    if not findings.has_errors:
        report.accounts = folding.count_accounts()
        findings.add(
            checks.check_totals(expected, stated, accounts=report.accounts, shares=report.shares)
        )
    if not findings.has_errors:
        report.holders, report.holders_with_mobile = folding.fold()
    return report


def check_file(
    file: IO[bytes], *, file_name: str, expected: Expectation, stated: Stated | None = None
) -> CheckedFile:
    """What a load would say of a file. Needs no meeting; its tables are rolled back."""
    seen: list[pl.DataFrame] = []
    with transaction.atomic():
        suffix = f"check_{secrets.token_hex(6)}"
        with Staging(
            meeting_id=_ANY_MEETING, suffix=suffix, keys=Keys.random(), classes=expected.width
        ) as staging:
            report = take_in(
                file,
                file_name=file_name,
                expected=expected,
                stated=stated or Stated(),
                staging=staging,
                look=lambda rows: seen.append(rows.select(list(_SEEN))),
            )
        transaction.set_rollback(True)
    rows = pl.concat(seen) if seen else pl.DataFrame(schema=_SEEN)
    return CheckedFile(
        report,
        accounts_sha256=_accounts_sha256(rows, expected.codes),
        nominee_accounts=_accounts_of(rows, "N"),
        voteless_accounts=_accounts_of(rows, "V"),
    )


def _good_rows(
    file: IO[bytes],
    file_name: str,
    expected: Expectation,
    report: Report,
    progress: Progress | None,
) -> Iterator[pl.DataFrame]:
    """The good rows of a file, chunk by chunk; the rest goes into the report."""
    reader = reading.open_register(file, file_name=file_name)
    layout = profiles.recognise(reader.headers, line=reader.header_line)
    report.unknown_columns = layout.unknown
    for chunk in reader.chunks(layout):
        rows, found = checks.check_rows(chunk.frame, expected)
        report.rows += chunk.rows_read
        report.deleted_rows += chunk.deleted_rows
        report.findings.add(chunk.findings)
        report.findings.add(found)
        yield rows
        if progress is not None:
            progress(chunk.bytes_read / reader.size)


def _accounts_sha256(rows: pl.DataFrame, codes: Mapping[int, str]) -> str:
    sums = rows.group_by("account", "share_class").agg(pl.col("shares").cast(pl.Int128).sum())
    code = pl.col("share_class").replace_strict(codes, return_dtype=pl.String)
    total = pl.col("shares").cast(pl.String)
    lines = sums.select(pl.concat_str("account", code, total, separator="|")).to_series().sort()
    digest = hashlib.sha256()
    for start in range(0, len(lines), LINES_AT_ONCE):
        some = "\n".join(lines[start : start + LINES_AT_ONCE])
        digest.update(f"\n{some}".encode() if start else some.encode())
    return digest.hexdigest()


def _accounts_of(rows: pl.DataFrame, kind: str) -> list[str]:
    return sorted(set(rows.filter(pl.col("kind") == kind)["account"]))
