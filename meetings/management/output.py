"""What the register's commands say on a terminal."""

from __future__ import annotations

import resource
import time
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from meetings.register import fault_list
from meetings.register.findings import Finding

SHOWN = 50
_BAR = 30
_PATIENCE_SECONDS = 2


class ProgressBar:
    """A bar on a terminal for what takes longer than two seconds; nothing elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._started = time.monotonic()
        self._is_drawn = False

    def __call__(self, part: float) -> None:
        if self._is_shown and time.monotonic() - self._started > _PATIENCE_SECONDS:
            full = round(part * _BAR)
            self._stream.write(f"\r[{'#' * full}{'.' * (_BAR - full)}] {part:4.0%}")
            self._stream.flush()
            self._is_drawn = True

    def clear(self) -> None:
        if self._is_drawn:
            self._stream.write("\r\033[K")


def findings_table(title: str, findings: Iterable[Finding]) -> list[str]:
    """Lines of a table: row, line, column, kind, masked value, reason, what to do."""
    findings = list(findings)
    if not findings:
        return []
    lines = [
        f"{title}:",
        "\t".join(("row", "line", "column", "kind", "value", "why", "what to do")),
    ]
    for finding in findings[:SHOWN]:
        cells = (finding.row, finding.line, finding.column, finding.kind, finding.value or None)
        words = ["-" if cell is None else str(cell) for cell in cells]
        lines.append("\t".join((*words, finding.reason, finding.remedy)))
    if len(findings) > SHOWN:
        lines.append(f"... and {len(findings) - SHOWN} more; --faults FILE writes them all")
    return lines


def places(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """Findings as the JSON of check_register and import_register names them."""
    return [
        {key: value for key, value in finding.as_json().items() if key != "value"}
        for finding in findings
    ]


def faults_file(path: str) -> BinaryIO:
    """The argument of --faults, opened before anything is loaded."""
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise ArgumentTypeError(f"{path}: {error.strerror}") from None


def write_faults(file: BinaryIO | None, packed: bytes) -> None:
    """Write a complete fault list as CSV, if there is a file for it."""
    if file is not None:
        with file:
            file.writelines(fault_list.as_csv(packed))


def kept_findings(kept: Iterable[dict[str, Any]]) -> list[Finding]:
    """The findings that a report in the database keeps."""
    return [Finding(**finding) for finding in kept]


def peak_megabytes() -> int:
    """No more memory than this have this process and the one that sealed for it had resident."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in whose) // 1024
