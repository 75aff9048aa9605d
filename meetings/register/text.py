"""CSV and tab-separated registers: RFC 4180, in UTF-8 or GB18030 and nothing in between."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

import polars as pl

from meetings.register.chunks import (
    BLOCK_BYTES,
    LONGEST_FIELD,
    Chunk,
    Content,
    Stream,
    blocks,
    make_chunk,
)
from meetings.register.findings import Finding, Unreadable
from meetings.register.profiles import Layout, heading_of

_BOM = "\ufeff"  # as text: GB18030 has one, too
LONGEST_LINE = BLOCK_BYTES  # bytes; honest records are far shorter
# Control characters at the beginning of pictures, archives, spreadsheets and databases. NUL is not
# one of them: inside a register it is a fault of its row.
_NOT_TEXT = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")


class TextReader:
    """A text whose encoding is known and whose header was read."""

    header_line = 1

    def __init__(self, content: Content, *, separator: str) -> None:
        self.size = content.size
        self._separator = separator
        if _NOT_TEXT.search(content.open().read(512)):
            raise Unreadable(Finding("NOT_A_REGISTER"))
        encoding = _encoding_of(content)
        self._lines = _Lines(content.open(), encoding)
        self._rows = 0  # records so far
        self._line = 0  # physical lines so far
        self._blank_lines: list[int] = []  # that nothing has followed yet
        self.headers = self._read_header()

    def _read_header(self) -> list[str]:
        reader = csv.reader(self._lines, delimiter=self._separator, strict=True)
        try:
            header: list[str] = []
            for header in reader:
                if header:
                    break
                self.header_line += 1  # a blank line before it
        except csv.Error:
            raise Unreadable(Finding("UNCLOSED_QUOTE", line=1)) from None
        except _NotALine as fault:
            raise Unreadable(Finding(fault.kind, line=1)) from None
        if not header:
            raise Unreadable(Finding("EMPTY_FILE"))
        if len(header) == 1 and heading_of(header[0]) is None:
            raise Unreadable(Finding("NOT_A_REGISTER"))
        self._line = reader.line_num
        return [header[0].lstrip(_BOM), *header[1:]]

    def chunks(self, layout: Layout) -> Iterator[Chunk]:
        """A block of whole records at a time; what can be told of is told before Unreadable."""
        broken = None
        while broken is None:
            try:
                if self._lines.is_done and not self._lines.next_block():
                    return
            except _NotALine as fault:
                line = self._line + 1
                raise self._unreadable(layout, fault.kind, line=line, text=fault.text) from None
            cells = self._split_plainly()
            findings: list[Finding] = []
            before = self._rows
            if cells is None:
                cells, findings, broken = self._split_quoted(layout)
            else:
                self._rows += len(cells)
            yield make_chunk(
                layout,
                cells,
                rows_read=self._rows - before,
                bytes_read=self._lines.bytes_read,
                findings=findings,
            )
        raise broken

    def _split_plainly(self) -> pl.DataFrame | None:
        """The rest of the block, split at every line feed and separator.

        None where that would be wrong: quotes, blank lines, or a record of another length.
        """
        text = self._lines.rest()
        width = len(self.headers)
        if self._blank_lines or '"' in text or text.count("\r") != text.count("\r\n"):
            return None
        records = pl.Series(text.replace("\r\n", "\n").removesuffix("\n").split("\n"))
        # A field more than there should be shows the records that are too long.
        cells = records.str.split_exact(self._separator, width).struct.unnest()
        cells.columns = [str(at) for at in range(width + 1)]
        last, beyond = cells[str(width - 1)], cells[str(width)]
        is_even = not last.has_nulls() and beyond.null_count() == len(beyond)
        if not is_even or (width == 1 and (records == "").any()):
            return None
        self._lines.skip_rest()
        rows = pl.int_range(self._rows + 1, self._rows + len(cells) + 1, eager=True)
        cells = cells.drop(str(width)).with_columns(row=rows, line=rows + (self._line - self._rows))
        self._line += len(cells)
        return cells

    def _split_quoted(
        self, layout: Layout
    ) -> tuple[pl.DataFrame, list[Finding], Unreadable | None]:
        """Record by record, to the first that ends where a block ends or cannot be read."""
        reader = csv.reader(self._lines, delimiter=self._separator, strict=True)
        before = self._line
        records: list[list[str]] = []
        places: list[tuple[int, int]] = []
        findings: list[Finding] = []
        broken = None
        while broken is None and not self._lines.is_done:
            line = self._line + 1
            try:
                record = next(reader)
            except _NotALine as fault:
                broken = self._unreadable(layout, fault.kind, line=line, text=fault.text)
                break
            except csv.Error:
                is_one_line = before + reader.line_num == line
                text = self._lines.last_line if is_one_line else ""
                kind = "FIELD_TOO_LONG" if self._long_field(layout, text) else "UNCLOSED_QUOTE"
                broken = self._unreadable(layout, kind, line=line, text=text)
                break
            self._line = before + reader.line_num
            if not record:
                self._blank_lines.append(line)
                continue
            for blank_line in self._blank_lines:
                self._rows += 1
                findings.append(Finding("RAGGED_ROW", self._rows, blank_line))
            self._blank_lines.clear()
            self._rows += 1
            if len(record) == len(self.headers):
                records.append(record)
                places.append((self._rows, line))
            else:
                findings.append(Finding("RAGGED_ROW", self._rows, line))
        cells = pl.DataFrame(
            records, schema={str(at): pl.String for at in range(len(self.headers))}, orient="row"
        )
        rows, lines = zip(*places, strict=True) if places else ((), ())
        cells = cells.with_columns(
            row=pl.Series(rows, dtype=pl.Int64), line=pl.Series(lines, dtype=pl.Int64)
        )
        return cells, findings, broken

    def _unreadable(self, layout: Layout, kind: str, *, line: int, text: str = "") -> Unreadable:
        row = self._rows + len(self._blank_lines) + 1
        return Unreadable(Finding(kind, row, line, self._long_field(layout, text)))

    def _long_field(self, layout: Layout, text: str) -> str | None:
        """The column of the first field of a line that is too long; None when none is."""
        start = text[: csv.field_size_limit() - 1]
        fields = next(csv.reader([start], delimiter=self._separator), [])
        for position, value in enumerate(fields):
            if len(value) > LONGEST_FIELD:
                return layout.field_at(position)
        return None


class _NotALine(Exception):
    """What follows is no line of a register: `kind`, and the beginning of it."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.text = text


class _Lines:
    """Physical lines of a text, decoded a block of whole lines at a time."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self.bytes_read = 0
        self.last_line = ""
        self._blocks = self._decoded(stream, encoding)
        self._lines = io.StringIO()
        self._length = 0

    @property
    def is_done(self) -> bool:
        """Whether every line of the block was given."""
        return self._lines.tell() == self._length

    def next_block(self) -> bool:
        """Go on to the next block; False at the end of the text."""
        text = next(self._blocks, "")
        self._lines = io.StringIO(text, newline="")  # keeps line ends as they are
        self._length = len(text)
        return bool(text)

    def rest(self) -> str:
        """What is left of the block; it stays there until `skip_rest`."""
        return self._lines.getvalue()[self._lines.tell() :]

    def skip_rest(self) -> None:
        self._lines.seek(self._length)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.is_done and not self.next_block():
            raise StopIteration
        self.last_line = self._lines.readline()
        return self.last_line

    def _decoded(self, stream: Stream, encoding: str) -> Iterator[str]:
        waiting = b""
        for block in blocks(stream):
            text = waiting + block
            if self.bytes_read == 0 and encoding == "utf-8":
                text = text.removeprefix(codecs.BOM_UTF8)
            self.bytes_read += len(block)
            whole, line_feed, waiting = text.rpartition(b"\n")
            if whole or line_feed:
                yield from _decode(whole + line_feed, encoding)
            if len(waiting) > LONGEST_LINE:
                raise _NotALine("FIELD_TOO_LONG", waiting.decode(encoding, errors="ignore"))
        if waiting:
            yield from _decode(waiting, encoding)


def _decode(block: bytes, encoding: str) -> Iterator[str]:
    try:
        text = block.decode(encoding)
    except UnicodeDecodeError as error:
        # Neither encoding has a line feed within a character, so lines can be told apart.
        good = block[: block.rfind(b"\n", 0, error.start) + 1].decode(encoding)
        if good:
            yield good
        raise _NotALine("ENCODING") from None
    yield text


def _encoding_of(content: Content) -> str:
    """UTF-8 where all of it is, else GB18030; where neither fits, the one that gets further."""
    utf8_end = _decodable_bytes(content, "utf-8", enough=content.size)
    if utf8_end == content.size or content.open().read(3) == codecs.BOM_UTF8:
        return "utf-8"
    gb18030_end = _decodable_bytes(content, "gb18030", enough=utf8_end + 1)
    return "gb18030" if gb18030_end > utf8_end else "utf-8"


def _decodable_bytes(content: Content, encoding: str, *, enough: int) -> int:
    """How many bytes from the beginning are text in this encoding; stops at `enough`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    for block in blocks(content.open()):
        kept, _flags = decoder.getstate()
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return done - len(kept) + error.start
        done += len(block)
        if done >= enough:
            break
    return done - len(decoder.getstate()[0])
