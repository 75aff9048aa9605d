"""What readers read from and what they give: content in, chunks of columns out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

import polars as pl

from meetings.register.findings import Finding, mask_value
from meetings.register.profiles import Layout

CHUNK_ROWS = 20_000
BLOCK_BYTES = 1 << 20
LONGEST_FIELD = 1_000  # characters


class Stream(Protocol):
    """Bytes from the beginning on; none only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Content(Protocol):
    """What a reader reads: a file, or the one member of a zip."""

    @property
    def size(self) -> int: ...  # bytes

    def open(self) -> Stream: ...


@dataclass(frozen=True)
class WholeFile:
    """A file on disk, in memory or uploaded, that can be read from the start again."""

    file: IO[bytes]
    size: int

    def open(self) -> Stream:
        self.file.seek(0)
        return self.file


@dataclass(frozen=True)
class Chunk:
    """Some records, column by column.

    `frame` has a trimmed String column for each field that the file has, `row` and `line` (Int64,
    `line` may be null), in DBF also `is_name_cut`. Records with a finding of the reader's are not
    in it; `rows_read` counts them too, deleted ones apart.
    """

    frame: pl.DataFrame
    rows_read: int
    bytes_read: int  # from the beginning of the content
    deleted_rows: int = 0
    findings: list[Finding] = field(default_factory=list)


class Reader(Protocol):
    """A register whose headers were read; Unreadable from `chunks` ends the reading."""

    @property
    def headers(self) -> Sequence[str]: ...

    @property
    def header_line(self) -> int | None: ...

    @property
    def size(self) -> int: ...  # bytes that `Chunk.bytes_read` counts up to

    def chunks(self, layout: Layout) -> Iterator[Chunk]: ...


def blocks(stream: Stream) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def make_chunk(
    layout: Layout,
    cells: pl.DataFrame,
    *,
    rows_read: int,
    bytes_read: int,
    deleted_rows: int = 0,
    findings: Sequence[Finding] = (),
) -> Chunk:
    """A chunk of the records in `cells`: String columns named by position (`0`, `1`, ...), beside
    `row`, `line` and whatever else the reader says of a record.

    A record with a cell that is too long or holds NUL becomes a finding.
    """
    found = [*findings, *_unfit_cells(layout, cells)]
    if unfit := [finding.row for finding in found]:
        cells = cells.filter(~pl.col("row").is_in(unfit))
    names = {str(position): name for name, position in layout.columns.items()}
    if layout.short_name is not None:
        names[str(layout.short_name)] = "short_name"
    keep = [name for name in cells.columns if name in names or not name.isdecimal()]
    frame = cells.select(keep).rename(names).with_columns(pl.col(pl.String).str.strip_chars())
    if "short_name" in frame.columns:
        name = pl.when(pl.col("holder_name") == "").then("short_name").otherwise("holder_name")
        frame = frame.with_columns(holder_name=name).drop("short_name")
    return Chunk(frame, rows_read, bytes_read, deleted_rows, found)


def _unfit_cells(layout: Layout, cells: pl.DataFrame) -> list[Finding]:
    texts = pl.col(pl.String)
    longest = cells.select(texts.str.len_bytes().max()).row(0)
    has_nul = cells.select(texts.str.contains("\0", literal=True).any()).row(0)
    found = []
    for name, length, is_cut in zip(cells.select(texts).columns, longest, has_nul, strict=True):
        if is_cut:
            nul = pl.col(name).str.contains("\0", literal=True)
            found += findings_where(cells, nul, "NUL_BYTE", name, layout.field_at(int(name)))
        if (length or 0) > LONGEST_FIELD:
            long = pl.col(name).str.len_chars() > LONGEST_FIELD
            found += findings_where(cells, long, "FIELD_TOO_LONG", name, layout.field_at(int(name)))
    return found


def findings_where(
    frame: pl.DataFrame, condition: pl.Expr, kind: str, column: str, field_name: str
) -> list[Finding]:
    """A finding for each record where the condition holds for a column of the frame."""
    return [
        Finding(kind, row, line, field_name, mask_value(field_name, value))
        for row, line, value in frame.filter(condition).select("row", "line", column).iter_rows()
    ]
