"""Check a register file as an import would, without a meeting and without a trace."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meetings.management.output import faults_file, findings_table, places, write_faults
from meetings.models import ShareClass
from meetings.register.checks import Expectation, ExpectedClass, Stated
from meetings.register.intake import CheckedFile, check_file


class Command(BaseCommand):
    help = "Check a register file; exit status 1 when it would be refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--security-code", required=True)
        parser.add_argument("--record-date", required=True, type=date.fromisoformat)
        parser.add_argument(
            "--capital",
            action="append",
            required=True,
            type=_capital,
            metavar="CLASS=SHARES",
            help="shares issued of a class, e.g. A=913780881; once for each class",
        )
        parser.add_argument("--totals", type=Path, help="the side form as JSON")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--faults", type=faults_file, metavar="FILE", help="all faults as CSV")

    def handle(self, *_args: Any, **options: Any) -> None:
        expected = Expectation(
            options["security_code"],
            options["record_date"],
            tuple(
                ExpectedClass(number, code, shares)
                for number, (code, shares) in enumerate(options["capital"])
            ),
        )
        path: Path = options["file"]
        try:
            stated = _stated(options["totals"])
            with path.open("rb") as file:
                checked = check_file(file, file_name=path.name, expected=expected, stated=stated)
            write_faults(options["faults"], checked.report.findings.fault_list.packed())
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(checked), ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_as_text(checked)))
        if checked.report.is_refused:
            sys.exit(1)


def _capital(text: str) -> tuple[str, int]:
    code, _equals, shares = text.partition("=")
    if code not in ShareClass.Code or not shares.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no CLASS=SHARES")
    return code, int(shares)


def _stated(path: Path | None) -> Stated:
    """The side form; OSError or CommandError when it cannot be read."""
    if path is None:
        return Stated()
    try:
        form = json.loads(path.read_text())
        record_date = form.get("record_date")
        return Stated(
            accounts=form.get("accounts"),
            total_shares=form.get("total_shares"),
            shares=form.get("shares") or {},
            security_code=form.get("security_code"),
            record_date=date.fromisoformat(record_date) if record_date else None,
        )
    except (ValueError, AttributeError, TypeError):
        raise CommandError(f"{path}: no JSON of stated totals") from None


def _as_json(checked: CheckedFile) -> dict[str, Any]:
    report = checked.report
    return {
        "status": "refused" if report.is_refused else "accepted",
        "rows": report.rows,
        "deleted_rows": report.deleted_rows,
        "accounts": report.accounts,
        "holders": report.holders,
        "shares": dict(report.shares),
        "holders_with_mobile": report.holders_with_mobile,
        "nominee_accounts": checked.nominee_accounts,
        "voteless_accounts": checked.voteless_accounts,
        "accounts_sha256": checked.accounts_sha256,
        "unknown_columns": list(report.unknown_columns),
        "errors": places(report.findings.errors),
        "warnings": places(report.findings.warnings),
    }


def _as_text(checked: CheckedFile) -> list[str]:
    report = checked.report
    words = "refused" if report.is_refused else "accepted"
    shares = ", ".join(f"{code} {total:,}" for code, total in report.shares.items())
    return [
        f"{words}: {report.rows:,} rows ({report.deleted_rows} deleted ones skipped)",
        f"{report.accounts:,} accounts, {report.holders:,} holders, shares {shares or '-'}",
        *findings_table("errors", report.findings.errors),
        *findings_table("warnings", report.findings.warnings),
    ]
