"""All that is wrong with a file: counted, shown in part, and listed for download (检查结果清单).

A screen shows some hundred faults and a report keeps the first thousand of each kind; this list has
all of them. It is packed while the file is read, some ten bytes a fault, and written out as CSV
line by line when somebody asks.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from django.utils import translation

from meetings.register.findings import KINDS, WARNINGS, Finding
from voting_portal.common.formulas import defused

BOM = "\ufeff"
COLUMNS = (
    "级别 Level",
    "类型 Kind",
    "记录 Record",
    "行 Line",
    "列 Column",
    "值(已脱敏) Value (masked)",
    "重复于记录 Repeats record",
    "原因",
    "处理",
    "Reason",
    "What to do",
)
KEPT_OF_A_KIND = 1_000
LINES_AT_ONCE = 1_000
BLOCK_BYTES = 64 << 10


class FaultList:
    """Findings in the order in which they were found."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(6)
        self._packed = bytearray()

    def add(self, finding: Finding) -> None:
        line = (
            *(finding.kind, finding.row, finding.line, finding.column),
            *(finding.value, finding.first_row),
        )
        self._packed += self._packer.compress(json.dumps(line).encode() + b"\n")

    def packed(self) -> bytes:
        """What `as_csv` takes; the list is closed by this."""
        self._packed += self._packer.flush()
        return bytes(self._packed)


@dataclass
class Findings:
    """All faults counted and listed, the first thousand of each kind kept at hand."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    fault_list: FaultList = field(default_factory=FaultList)

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.counts[finding.kind] += 1
            self.fault_list.add(finding)
            if self.counts[finding.kind] <= KEPT_OF_A_KIND:
                self.kept.append(finding)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in sorted(self.kept, key=_place) if not finding.is_warning]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in sorted(self.kept, key=_place) if finding.is_warning]

    @property
    def has_errors(self) -> bool:
        return any(kind not in WARNINGS for kind in self.counts)


def as_csv(packed: bytes) -> Iterator[bytes]:
    """A packed list as CSV in UTF-8 with BOM, reasons in Chinese and English, formulas defused."""
    lines = _lines(packed)
    yield _csv([COLUMNS], start=BOM)
    while some := list(islice(lines, LINES_AT_ONCE)):
        yield _csv(map(_row, some))


def _place(finding: Finding) -> tuple[int, str, str]:
    return finding.row or 0, finding.column or "", finding.kind


def _row(line: bytes) -> tuple[object, ...]:
    kind, row, at, column, value, first_row = json.loads(line)
    return (
        *("警告 warning" if kind in WARNINGS else "错误 error", kind, row, at),
        *(defused(column or ""), defused(value), first_row),
        *(*_words(kind, "zh-hans"), *_words(kind, "en")),
    )


@cache
def _words(kind: str, language: str) -> tuple[str, str]:
    """Why, and what to do."""
    with translation.override(language):
        reason, remedy = KINDS[kind]
        return str(reason), str(remedy)


def _csv(rows: Iterable[Iterable[object]], *, start: str = "") -> bytes:
    text = io.StringIO(start)
    text.seek(0, io.SEEK_END)
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _lines(packed: bytes) -> Iterator[bytes]:
    """Unpacked in blocks, so that memory does not grow with the list."""
    unpacker = zlib.decompressobj()
    waiting = b""
    for start in range(0, len(packed), BLOCK_BYTES):
        block = packed[start : start + BLOCK_BYTES]
        while block:
            *lines, waiting = (waiting + unpacker.decompress(block, 16 * BLOCK_BYTES)).split(b"\n")
            yield from lines
            block = unpacker.unconsumed_tail
    *lines, _end = (waiting + unpacker.flush()).split(b"\n")
    yield from lines
