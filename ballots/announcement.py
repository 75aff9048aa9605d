"""The tables of the announcement (决议公告) as page and files show them; XLSX and CSV.

Headings follow the exchange's form of announcement. Numbers are votes; texts that a spreadsheet
would take for a formula are written as text.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import xlsxwriter
from django.utils.translation import gettext as _

from ballots.announcement_appendix import appendix
from ballots.announcement_tables import (
    Cell,
    Table,
    attendance,
    elections,
    explanations,
    minority,
    plain,
    segments,
)
from meetings.agenda import Agenda
from voting_portal.common.formulas import defused

UNFIT_FOR_SHEETS = str.maketrans("[]:*?/\\", "       ")


def tables(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """The announcement's tables, then how was counted and what was not; empty ones left out."""
    own = (attendance(agenda, content), plain(agenda, content), elections(agenda, content))
    rest = (segments(agenda, content), minority(agenda, content), explanations(agenda, content))
    all_tables = (*own, *rest, *appendix(content))
    return [table for table in all_tables if table.rows]


def as_xlsx(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """A workbook with one sheet a table; identifiers are text, votes are numbers."""
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        heading = book.add_format({"bold": True, "font_size": 14})
        head = book.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F7"})
        text = book.add_format({"border": 1, "num_format": "@", "text_wrap": True})
        number = book.add_format({"border": 1, "num_format": "#,##0"})
        for place, table in enumerate(tables(agenda, content), start=1):
            sheet = book.add_worksheet(f"{place} {table.title}"[:31].translate(UNFIT_FOR_SHEETS))
            sheet.write_string(0, 0, _heading(agenda, table), heading)
            sheet.freeze_panes(3, 0)
            for column, name in enumerate(table.columns):
                sheet.write_string(2, column, name, head)
                width = max(len(str(row[column])) for row in table.rows)
                sheet.set_column(column, column, min(60, 2 * max(width, len(name)) + 2))
            for line, row in enumerate(table.rows, start=3):
                for column, cell in enumerate(row):
                    if isinstance(cell, int):
                        sheet.write_number(line, column, cell, number)
                    else:
                        sheet.write_string(line, column, cell, text)
    return target.getvalue()


def as_csv(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """The same tables one below the other, UTF-8 with BOM as Excel in China expects."""
    target = io.StringIO()
    writer = csv.writer(target)
    for table in tables(agenda, content):
        writer.writerow([_harmless(_heading(agenda, table))])
        writer.writerow(table.columns)
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
        writer.writerow([])
    return target.getvalue().encode("utf-8-sig")


def title_of(agenda: Agenda) -> str:
    """Whose meeting it is, and whether it is a rehearsal."""
    rehearsal = _("(演练)") if agenda.is_rehearsal else ""
    return f"{agenda.issuer_name} {agenda.title}{rehearsal}"


def _heading(agenda: Agenda, table: Table) -> str:
    return f"{title_of(agenda)} {table.title}"


def _harmless(cell: Cell) -> Cell:
    return defused(cell) if isinstance(cell, str) else cell
