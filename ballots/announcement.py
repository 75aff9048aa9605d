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
from ballots.announcement_form import Cell, Section, Table
from ballots.announcement_tables import announcement_sections
from ballots.log.printed import log_note, log_table
from ballots.log.qr import png_of
from meetings.agenda import Agenda
from voting_portal.common.formulas import defused

UNFIT_FOR_SHEETS = str.maketrans("[]:*?/\\", "       ")


def sections(agenda: Agenda, content: dict[str, Any]) -> list[Section]:
    """The announcement's sections, then how was counted, what was not, and the root of the ballot
    log; empty ones left out."""
    tables = (*appendix(content), log_table(agenda.meeting_id))
    annex = tuple(table for table in tables if table.rows)
    return [*announcement_sections(agenda, content), Section(_("计票附表"), annex)]


def as_xlsx(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """A workbook with one sheet a section; identifiers are text, votes are numbers."""
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        for place, section in enumerate(sections(agenda, content), start=1):
            name = f"{place} {section.title}".translate(UNFIT_FOR_SHEETS)
            sheet = _Sheet(book, name[:31].rstrip())
            sheet.say(title_of(agenda), is_heading=True)
            for heading in filter(None, (section.part, section.title)):
                sheet.say(heading, is_heading=True)
            for table in section.tables:
                sheet.draw(table)
        if note := log_note(agenda.meeting_id):
            sheet.show(png_of(note), _("最终检查点二维码"))
    return target.getvalue()


class _Sheet:
    """A sheet that is written from its first line on."""

    def __init__(self, book: xlsxwriter.Workbook, name: str) -> None:
        self.sheet = book.add_worksheet(name)
        self.line = 0
        self.widths: dict[int, int] = {}
        self.heading = book.add_format({"bold": True, "font_size": 14})
        centred = {"align": "center", "valign": "vcenter"}
        self.head = book.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F7"} | centred)
        self.text = book.add_format({"border": 1, "num_format": "@", "text_wrap": True})
        self.number = book.add_format({"border": 1, "num_format": "#,##0"})

    def say(self, text: str, *, is_heading: bool = False) -> None:
        """A line of text across the sheet."""
        self.sheet.write_string(self.line, 0, text, self.heading if is_heading else None)
        self.line += 1

    def draw(self, table: Table) -> None:
        """The table with its title, lines and head, and a blank line below."""
        for text in filter(None, (table.title, *table.lines)):
            self.say(text)
        for line, names in enumerate(table.head, start=self.line):
            for column, name in enumerate(names):
                self.sheet.write_string(line, column, name, self.head)
        for top, left, bottom, right in table.spans:
            name = table.head[top][left]
            span = (self.line + top, left, self.line + bottom, right)
            self.sheet.merge_range(*span, name, self.head)
        self.line += len(table.head)
        for row in table.rows:
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    self.sheet.write_number(self.line, column, cell, self.number)
                else:
                    self.sheet.write_string(self.line, column, cell, self.text)
            self.line += 1
        self.line += 1
        self._widen(table)

    def show(self, picture: bytes, words: str) -> None:
        """A picture (PNG) below what was written, half its size; `words` say what it shows."""
        scale = {"x_scale": 0.5, "y_scale": 0.5}
        options = {"image_data": io.BytesIO(picture), "description": words, **scale}
        self.sheet.insert_image(self.line, 0, "qr.png", options)

    def _widen(self, table: Table) -> None:
        for column in range(table.width):
            longest = max(len(str(row[column])) for row in (*table.head, *table.rows))
            self.widths[column] = max(self.widths.get(column, 0), min(60, 2 * longest + 2))
            self.sheet.set_column(column, column, self.widths[column])


def as_csv(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """The same tables one below the other, UTF-8 with BOM as Excel in China expects."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow([_harmless(title_of(agenda))])
    for section in sections(agenda, content):
        for heading in filter(None, (section.part, section.title)):
            writer.writerow([_harmless(heading)])
        for table in section.tables:
            for text in filter(None, (table.title, *table.lines)):
                writer.writerow([_harmless(text)])
            writer.writerows(table.head)
            writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
            writer.writerow([])
    return target.getvalue().encode("utf-8-sig")


def title_of(agenda: Agenda) -> str:
    """Whose meeting it is, and whether it is a rehearsal."""
    rehearsal = _("(演练)") if agenda.is_rehearsal else ""
    return f"{agenda.issuer_name} {agenda.title}{rehearsal}"


def _harmless(cell: Cell) -> Cell:
    return defused(cell) if isinstance(cell, str) else cell
