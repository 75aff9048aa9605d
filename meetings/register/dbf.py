"""DBF registers: dBase III, FoxPro and Visual FoxPro, fixed-width records in GB18030."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from meetings.register.chunks import BLOCK_BYTES, Chunk, Content, Stream, make_chunk
from meetings.register.findings import Finding, Unreadable
from meetings.register.profiles import Layout, heading_of

DBASE, VISUAL_FOXPRO = 0x03, 0x30
BACKLINK_BYTES = 263  # Visual FoxPro's header ends with the path of its database
TEXT_TYPES = "CNF"
SHORT_NAME_BYTES = 12
_HEADER = struct.Struct("<B3xIHH20x")
_FIELD = struct.Struct("<11sc4xBB14x")


@dataclass(frozen=True)
class _Field:
    header: str
    type: str
    at: int  # in the record, whose first byte is the deletion mark
    width: int


class DbfReader:
    """A DBF whose header agrees with itself and with the file's size."""

    header_line = None

    def __init__(self, content: Content) -> None:
        self.size = content.size
        self._content = content
        stream = content.open()
        start = stream.read(_HEADER.size)
        if len(start) < _HEADER.size or start[0] not in (DBASE, VISUAL_FOXPRO):
            raise Unreadable(Finding("NOT_A_REGISTER"))
        version, self._records, self._header_bytes, self._record_bytes = _HEADER.unpack(start)
        self._fields = _read_fields(stream, version, self._header_bytes)
        self.headers = [field.header for field in self._fields]
        _check_widths(self._fields, self._record_bytes)
        self._check_size()

    def _check_size(self) -> None:
        """Header and records fill the file; an end mark may follow."""
        end = self._header_bytes + self._records * self._record_bytes
        if self.size in (end, end + 1):
            return
        is_short = self.size < end
        whole = max(0, self.size - self._header_bytes) // self._record_bytes
        raise Unreadable(Finding("DBF_SIZE", whole + 1 if is_short else None))

    def chunks(self, layout: Layout) -> Iterator[Chunk]:
        """Some thousand records at a time; deleted ones are left out unread."""
        positions = list(layout.columns.values())
        if layout.short_name is not None:
            positions.append(layout.short_name)
        for position in positions:
            if self._fields[position].type not in TEXT_TYPES:
                raise Unreadable(Finding("DBF_STRUCTURE", column=layout.field_at(position)))
        stream = self._content.open()
        stream.read(self._header_bytes)
        at_once = max(1, 2 * BLOCK_BYTES // self._record_bytes)
        for first in range(0, self._records, at_once):
            count = min(at_once, self._records - first)
            block = _read_exactly(stream, count * self._record_bytes)
            yield self._chunk(layout, positions, block, first=first)

    def _chunk(self, layout: Layout, positions: list[int], block: bytes, *, first: int) -> Chunk:
        width = self._record_bytes
        marks = block[::width]
        if strays := marks.translate(None, b" *"):
            raise Unreadable(Finding("DBF_STRUCTURE", first + marks.index(strays[:1]) + 1))
        live = [at for at in range(len(marks)) if marks[at] == ord(" ")]
        records = pl.DataFrame(
            {"record": [block[at * width : at * width + width] for at in live]},
            schema={"record": pl.Binary},
        )
        raw = records.select(
            pl.col("record").bin.slice(self._fields[at].at, self._fields[at].width).alias(str(at))
            for at in positions
        )
        cells = pl.DataFrame({"row": live}, schema={"row": pl.Int64})
        cells = cells.select(pl.col("row") + first + 1, line=pl.lit(None, pl.Int64))
        findings: list[Finding] = []
        is_cut = [False] * len(live)
        for position in positions:
            can_be_cut = (
                layout.is_short_name(position) and self._fields[position].width == SHORT_NAME_BYTES
            )
            texts, bad = _decode(raw[str(position)], is_cut if can_be_cut else None)
            findings += (
                Finding("ENCODING", first + live[at] + 1, None, layout.field_at(position))
                for at in bad
            )
            cells = cells.with_columns(texts.str.strip_chars_end("\0 ").alias(str(position)))
        if layout.short_name is not None:
            # The full name stands in for a short one that was cut.
            full = cells[str(layout.columns["holder_name"])]
            is_cut = [cut and not name for cut, name in zip(is_cut, full, strict=True)]
        return make_chunk(
            layout,
            cells.with_columns(is_name_cut=pl.Series(is_cut, dtype=pl.Boolean)),
            rows_read=len(live),
            deleted_rows=len(marks) - len(live),
            bytes_read=self._header_bytes + (first + len(marks)) * width,
            findings=findings,
        )


def _read_fields(stream: Stream, version: int, header_bytes: int) -> list[_Field]:
    """The field descriptors; DBF_STRUCTURE when they do not fill the header."""
    count, rest = divmod(
        header_bytes - _HEADER.size - 1 - (BACKLINK_BYTES if version == VISUAL_FOXPRO else 0),
        _FIELD.size,
    )
    if count < 1 or rest:
        raise Unreadable(Finding("DBF_STRUCTURE"))
    descriptors = stream.read(count * _FIELD.size + 1)
    if len(descriptors) < count * _FIELD.size + 1 or descriptors[-1:] != b"\r":
        raise Unreadable(Finding("DBF_STRUCTURE"))
    fields, at = [], 1
    for name, kind, width, _decimals in _FIELD.iter_unpack(descriptors[:-1]):
        header = name.partition(b"\0")[0].decode("gb18030", errors="replace")
        if not header or width == 0 or header.startswith("\r"):
            raise Unreadable(Finding("DBF_STRUCTURE"))
        fields.append(_Field(header, kind.decode("latin-1"), at, width))
        at += width
    return fields


def _check_widths(fields: list[_Field], record_bytes: int) -> None:
    """Widths and deletion mark fill the record, else every later field would be shifted."""
    excess = fields[-1].at + fields[-1].width - record_bytes
    if excess == 0:
        return
    headings = [(heading_of(field.header), field.width) for field in fields]
    wrong = [
        heading.shown_field
        for heading, width in headings
        if heading and heading.dbf_width is not None and width - heading.dbf_width == excess
    ]
    column = wrong[0] if len(wrong) == 1 else None
    raise Unreadable(Finding("DBF_STRUCTURE", column=column))


def _read_exactly(stream: Stream, size: int) -> bytes:
    block = stream.read(size)
    if len(block) < size:
        raise Unreadable(Finding("DBF_SIZE"))
    return block


def _decode(raw: pl.Series, is_cut: list[bool] | None) -> tuple[pl.Series, list[int]]:
    """The texts of a column and the places of those that are no GB18030.

    Where there is an `is_cut`, a value may end with half a character, which is dropped and noted
    in it.
    """
    try:
        texts = raw.cast(pl.String)
        if (texts.str.len_bytes() == texts.str.len_chars()).all():
            return texts, []  # ASCII, as most columns are
    except pl.exceptions.PolarsError:
        pass
    values: list[bytes] = raw.to_list()
    try:
        # At once where it goes: no character of GB18030 holds a line feed.
        at_once = b"\n".join(values).decode("gb18030").split("\n")
        if len(at_once) == len(values):
            return pl.Series(at_once), []
    except UnicodeDecodeError:
        pass
    repaired, bad = [], []
    for at, value in enumerate(values):
        try:
            text = value.decode("gb18030")
        except UnicodeDecodeError:
            text = ""
            if is_cut is not None:
                text = _without_half_character(value)
                is_cut[at] = bool(text)
            if not text:
                bad.append(at)
        repaired.append(text)
    return pl.Series(repaired, dtype=pl.String), bad


def _without_half_character(value: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("gb18030")().decode(value)
    except UnicodeDecodeError:
        return ""
