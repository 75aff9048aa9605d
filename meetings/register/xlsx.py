"""XLSX registers: the first sheet, read as a stream of XML that is trusted in nothing.

A spreadsheet library would hold the whole sheet, take a formula's cached value for the value, and
lay out as many rows and columns as a cell's name claims. Expat takes it in blocks and shows each
cell as it was written.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import polars as pl

from meetings.register import archive
from meetings.register.chunks import (
    CHUNK_ROWS,
    LONGEST_FIELD,
    Chunk,
    Stream,
    WholeFile,
    blocks,
    make_chunk,
)
from meetings.register.findings import Finding, Unreadable, mask_value
from meetings.register.profiles import Layout

WORKBOOK = "xl/workbook.xml"
MOST_COLUMNS = 16_384
TEXT_ONLY = ("id_no", "ymt_no")  # as numbers they have lost every digit after the fifteenth
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CELL_NAME = re.compile(r"([A-Z]{1,3})[1-9][0-9]{0,6}")


@dataclass
class _Record:
    """A row of the sheet that is not blank: texts by column, and which were not text cells."""

    line: int
    texts: dict[int, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    formulas: list[int] = field(default_factory=list)


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
        self._sheet = _SheetParser(self._shared_texts(texts))
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
        relations = _RelationsParser()
        _parse(self._open("xl/_rels/workbook.xml.rels"), relations)
        workbook = _WorkbookParser()
        _parse(self._open(WORKBOOK), workbook)
        return (
            relations.targets.get(workbook.first_sheet, ""),
            next((t for t in relations.targets.values() if t.endswith("sharedStrings.xml")), ""),
        )

    def _shared_texts(self, part: str) -> list[str]:
        parser = _TextsParser()
        if part:
            _parse(self._open(part), parser)
        return parser.texts

    def _open(self, part: str) -> Stream:
        if part not in self._members:
            raise Unreadable(Finding("XLSX_STRUCTURE"))
        return self._members[part].open()

    def _read_records(self, part: str) -> Iterator[_Record]:
        for bytes_read in _parsing(self._open(part), self._sheet):
            self._bytes_read = bytes_read
            yield from self._sheet.take_records()

    def chunks(self, layout: Layout) -> Iterator[Chunk]:
        """Some thousand rows at a time; blank ones are no records."""
        rows = 0
        waiting: list[_Record] = []
        for record in self._records:
            waiting.append(record)
            if len(waiting) == CHUNK_ROWS:
                yield self._chunk(layout, waiting, first=rows + 1)
                rows += len(waiting)
                waiting = []
        if waiting:
            yield self._chunk(layout, waiting, first=rows + 1)

    def _chunk(self, layout: Layout, records: list[_Record], *, first: int) -> Chunk:
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


def _faults(layout: Layout, record: _Record, row: int) -> Iterator[Finding]:
    for at in record.formulas:
        yield Finding("FORMULA_CELL", row, record.line, layout.field_at(at))
    for at in record.numbers:
        if (column := layout.field_at(at)) in TEXT_ONLY:
            value = mask_value(column, record.texts[at])
            yield Finding("NUMERIC_ID_CELL", row, record.line, column, value)
    if max(record.texts) >= len(layout.headers):
        yield Finding("RAGGED_ROW", row, record.line)


class _Parser:
    """Elements by their local names, whatever prefix the file gives them."""

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


class _RelationsParser(_Parser):
    """The parts of the workbook by their relation's id."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            target = posixpath.join("/xl", attributes.get("Target", ""))
            self.targets[attributes.get("Id", "")] = posixpath.normpath(target).lstrip("/")


class _WorkbookParser(_Parser):
    """The relation's id of the first sheet."""

    first_sheet = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet" and not self.first_sheet:
            ids = (value for key, value in attributes.items() if key.endswith(" id"))
            self.first_sheet = next(ids, "")


class _TextsParser(_Parser):
    """The shared texts, by number; of long ones only so much that they are seen to be too long."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._parts: list[str] | None = None
        self._is_phonetic = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if name == "si":
            self.texts.append("")
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "t" and not self._is_phonetic:
            self._parts = []

    def end(self, name: str) -> None:
        if name == "rPh":
            self._is_phonetic = False
        elif name == "t" and self._parts is not None and self.texts:
            self.texts[-1] = (self.texts[-1] + _unescaped("".join(self._parts)))[
                : LONGEST_FIELD + 1
            ]
            self._parts = None

    def text(self, data: str) -> None:
        if self._parts is not None:
            self._parts.append(data)


class _SheetParser(_Parser):
    """The rows of a sheet as they end."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._records: list[_Record] = []
        self._record = _Record(line=0)
        self._at = -1  # column of the cell
        self._type = ""
        self._parts: list[str] | None = None  # of the value being read
        self._length = 0
        self._value = ""
        self._is_phonetic = False

    def take_records(self) -> list[_Record]:
        taken, self._records = self._records, []
        return taken

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("v", "t"):
            if not self._is_phonetic:
                self._parts, self._length = [], 0
        elif name == "c":
            self._at = _column_of(attributes.get("r"), self._at + 1)
            self._type = attributes.get("t", "n")
            self._value = ""
        elif name == "row":
            line = attributes.get("r", "")
            self._record = _Record(int(line) if line.isdecimal() else self._record.line + 1)
            self._at = -1
        elif name == "f":
            self._record.formulas.append(self._at)
        elif name == "rPh":
            self._is_phonetic = True

    def text(self, data: str) -> None:
        if self._parts is not None and self._length <= LONGEST_FIELD:
            self._parts.append(data)
            self._length += len(data)

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            if self._parts is not None:
                self._value += "".join(self._parts)
                self._parts = None
        elif name == "c":
            self._end_cell()
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "row" and (self._record.formulas or any(self._record.texts.values())):
            self._records.append(self._record)

    def _end_cell(self) -> None:
        value = self._value
        if self._type == "s":
            if not value.isdecimal() or int(value) >= len(self._texts):
                raise Unreadable(Finding("XLSX_STRUCTURE", line=self._record.line))
            value = self._texts[int(value)]
        elif self._type == "n":
            value = _number(value)
            if value:
                self._record.numbers.append(self._at)
        elif "_x" in value:
            value = _unescaped(value)
        if value.strip() or self._at in self._record.formulas:
            self._record.texts[self._at] = value


def _column_of(name: str | None, following: int) -> int:
    """The column of a cell from 0, by its name (`AB12`) or its place."""
    if name is None:
        return following
    if not (match := _CELL_NAME.fullmatch(name)):
        raise Unreadable(Finding("XLSX_STRUCTURE"))
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    if column > MOST_COLUMNS:
        raise Unreadable(Finding("XLSX_STRUCTURE"))
    return column - 1


def _number(value: str) -> str:
    """A number cell as digits where it is whole: `1000`, `1000.0` and `1E3` are the same."""
    if value.isdecimal():
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if math.isfinite(number) and number.is_integer() else value


def _unescaped(text: str) -> str:
    """Control characters stand in XLSX as `_x000D_`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _parse(stream: Stream, parser: _Parser) -> None:
    for _bytes_read in _parsing(stream, parser):
        pass


def _parsing(stream: Stream, parser: _Parser) -> Iterator[int]:
    """Feed a part to a parser block by block; gives the bytes so far after each."""
    names: dict[str, str] = {}

    def local(name: str) -> str:
        if name not in names:
            names[name] = name.rpartition(" ")[2]
        return names[name]

    def refuse(*_declaration: object) -> None:
        raise Unreadable(Finding("XML_ENTITY"))

    machine = expat.ParserCreate(namespace_separator=" ")
    machine.buffer_text = True
    machine.StartDoctypeDeclHandler = refuse
    machine.StartElementHandler = lambda name, attributes: parser.start(local(name), attributes)
    machine.EndElementHandler = lambda name: parser.end(local(name))
    machine.CharacterDataHandler = parser.text
    done = 0
    try:
        for block in blocks(stream):
            machine.Parse(block)
            done += len(block)
            yield done
        machine.Parse(b"", True)
    except expat.ExpatError:
        raise Unreadable(Finding("XLSX_STRUCTURE")) from None
    yield done
