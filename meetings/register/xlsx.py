"""XLSX registers: the first sheet, read as a stream of XML that is trusted in nothing.

A spreadsheet library would hold the whole sheet, take a formula's cached value for the value, and
lay out as many rows and columns as a cell's name claims. Expat takes it in blocks and shows each
cell as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from meetings.register import archive
from meetings.register.chunks import (
    CHUNK_ROWS,
    Chunk,
    Stream,
    WholeFile,
    make_chunk,
)
from meetings.register.findings import Finding, Unreadable, mask_value
from meetings.register.profiles import Layout
from meetings.register.spreadsheet import (
    Record,
    RelationsParser,
    SheetParser,
    TextsParser,
    WorkbookParser,
    parse,
    parsing,
)

WORKBOOK = "xl/workbook.xml"
TEXT_ONLY = ("id_no", "ymt_no")  # as numbers they have lost every digit after the fifteenth


class XlsxReader:
    """The first sheet of a workbook; its first row that is not blank is the header."""

    def __init__(self, content: WholeFile) -> None:
        file = content.file
        file.seek(0)
        if file.read(2) != b"PK":
            raise Unreadable(Finding("NOT_A_REGISTER"))
        found = archive.members(file, broken="XLSX_STRUCTURE", too_large="XLSX_TOO_LARGE")
        self._members = {member.name: member for member in found}
        if WORKBOOK not in self._members:
            raise Unreadable(Finding("NOT_A_REGISTER"))
        sheet, texts = self._parts()
        self.size = self._members[sheet].size if sheet in self._members else 0
        self._bytes_read = 0
        self._sheet = SheetParser(self._shared_texts(texts))
        self._records = self._read_records(sheet)
        header = next(self._records, None)
        if header is None:
            raise Unreadable(Finding("EMPTY_FILE"))
        if header.formulas:
            raise Unreadable(Finding("FORMULA_CELL", line=header.line))
        self.header_line = header.line
        self.headers = [header.texts.get(at, "") for at in range(max(header.texts) + 1)]

    def _parts(self) -> tuple[str, str]:
        """The names of the first sheet and of the shared texts (blank: none) in the zip."""
        relations = RelationsParser()
        parse(self._open("xl/_rels/workbook.xml.rels"), relations)
        workbook = WorkbookParser()
        parse(self._open(WORKBOOK), workbook)
        return (
            relations.targets.get(workbook.first_sheet, ""),
            next((t for t in relations.targets.values() if t.endswith("sharedStrings.xml")), ""),
        )

    def _shared_texts(self, part: str) -> list[str]:
        parser = TextsParser()
        if part:
            parse(self._open(part), parser)
        return parser.texts

    def _open(self, part: str) -> Stream:
        if part not in self._members:
            raise Unreadable(Finding("XLSX_STRUCTURE"))
        return self._members[part].open()

    def _read_records(self, part: str) -> Iterator[Record]:
        for bytes_read in parsing(self._open(part), self._sheet):
            self._bytes_read = bytes_read
            yield from self._sheet.take_records()

    def chunks(self, layout: Layout) -> Iterator[Chunk]:
        """Some thousand rows at a time; blank ones are no records."""
        rows = 0
        waiting: list[Record] = []
        for record in self._records:
            waiting.append(record)
            if len(waiting) == CHUNK_ROWS:
                yield self._chunk(layout, waiting, first=rows + 1)
                rows += len(waiting)
                waiting = []
        if waiting:
            yield self._chunk(layout, waiting, first=rows + 1)

    def _chunk(self, layout: Layout, records: list[Record], *, first: int) -> Chunk:
        findings: list[Finding] = []
        good = []
        for row, record in enumerate(records, start=first):
            faults = list(_faults(layout, record, row))
            findings += faults
            if not faults:
                good.append((row, record))
        columns: dict[str, list[str]] = {
            str(at): [record.texts.get(at, "") for _row, record in good]
            for at in range(len(self.headers))
        }
        cells = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
            row=pl.Series([row for row, _record in good], dtype=pl.Int64),
            line=pl.Series([record.line for _row, record in good], dtype=pl.Int64),
        )
        return make_chunk(
            layout, cells, rows_read=len(records), bytes_read=self._bytes_read, findings=findings
        )


def _faults(layout: Layout, record: Record, row: int) -> Iterator[Finding]:
    for at in record.formulas:
        yield Finding("FORMULA_CELL", row, record.line, layout.field_at(at))
    for at in record.numbers:
        if (column := layout.field_at(at)) in TEXT_ONLY:
            value = mask_value(column, record.texts[at])
            yield Finding("NUMERIC_ID_CELL", row, record.line, column, value)
    if max(record.texts) >= len(layout.headers):
        yield Finding("RAGGED_ROW", row, record.line)
