"""The XML inside an XLSX, part by part: a few parsers over Expat, which is trusted in nothing."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from meetings.register.chunks import LONGEST_FIELD, Stream, blocks
from meetings.register.findings import Finding, Unreadable

MOST_COLUMNS = 16_384
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CELL_NAME = re.compile(r"([A-Z]{1,3})[1-9][0-9]{0,6}")


@dataclass
class Record:
    """A row of the sheet that is not blank: texts by column, and which were not text cells."""

    line: int
    texts: dict[int, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    formulas: list[int] = field(default_factory=list)


class Parser:
    """Elements by their local names, whatever prefix the file gives them."""

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


class RelationsParser(Parser):
    """The parts of the workbook by their relation's id."""

    def __init__(self) -> None:
        self.targets: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            target = posixpath.join("/xl", attributes.get("Target", ""))
            self.targets[attributes.get("Id", "")] = posixpath.normpath(target).lstrip("/")


class WorkbookParser(Parser):
    """The relation's id of the first sheet."""

    first_sheet = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet" and not self.first_sheet:
            ids = (value for key, value in attributes.items() if key.endswith(" id"))
            self.first_sheet = next(ids, "")


class TextsParser(Parser):
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


class SheetParser(Parser):
    """The rows of a sheet as they end."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._records: list[Record] = []
        self._record = Record(line=0)
        self._at = -1  # column of the cell
        self._type = ""
        self._parts: list[str] | None = None  # of the value being read
        self._length = 0
        self._value = ""
        self._is_phonetic = False

    def take_records(self) -> list[Record]:
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
            self._record = Record(int(line) if line.isdecimal() else self._record.line + 1)
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
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(match: re.Match[str]) -> str:
    """What an escape stands for; half of a surrogate pair is no character and stays as it is."""
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code <= 0xDFFF else chr(code)


def parse(stream: Stream, parser: Parser) -> None:
    for _bytes_read in parsing(stream, parser):
        pass


def parsing(stream: Stream, parser: Parser) -> Iterator[int]:
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
