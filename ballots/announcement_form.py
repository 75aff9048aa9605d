"""What an announcement is made of (公告格式): headings, and tables with their heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

Cell = str | int
Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A title and lines of text, and rows of as many cells as there are columns.

    `groups` stand above the columns, each with how many of them it spans; one that spans a single
    column takes the place of its name. A table without columns has no head, one without rows says
    only its title and lines.
    """

    title: str
    rows: tuple[Row, ...] = ()
    columns: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    lines: tuple[str, ...] = ()
    motion: str = ""  # the number of the motion that it is about, where that is one

    @property
    def width(self) -> int:
        return len(self.columns) or max(map(len, self.rows), default=0)

    @property
    def head(self) -> tuple[tuple[str, ...], ...]:
        """The lines of the head, each as wide as the table; what a group spans is blank."""
        if not self.groups:
            return (self.columns,) if self.columns else ()
        above = tuple(cell for name, span in self.groups for cell in (name, *[""] * (span - 1)))
        return above, self.columns

    @property
    def spans(self) -> Iterator[tuple[int, int, int, int]]:
        """The cells of the head that are one: first line and column, last line and column."""
        edges = [sum(span for _name, span in self.groups[:n]) for n in range(len(self.groups) + 1)]
        for first, end in pairwise(edges):
            yield (0, first, 1, first) if end == first + 1 else (0, first, 0, end - 1)

    @property
    def head_cells(self) -> list[list[tuple[str, int, int]]]:
        """The head for a page: name, columns and lines that a cell spans."""
        if not self.groups:
            return [[(name, 1, 1) for name in line] for line in self.head]
        above = [(name, span, 2 if span == 1 else 1) for name, span in self.groups]
        return [above, [(name, 1, 1) for name in self.columns if name]]


@dataclass(frozen=True)
class Section:
    """A heading with its tables; `part` is the heading of what begins with this section."""

    title: str
    tables: tuple[Table, ...]
    part: str = ""
