"""How files name their columns (导入模板): headers and the fields that they mean.

The profiles are data that staff edit in the admin; the older layout of HST* field codes and the
current one of Chinese headers are shipped by a migration. Their codes are a working assumption
until an issuer's real T1 file is at hand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meetings.models import ImportHeader
from meetings.register.findings import Finding, Unreadable

MANDATORY = ("security_code", "account_no", "holder_name", "qty")
REGISTER = (
    *MANDATORY,
    *("short_name", "ymt_no", "id_type", "id_no", "share_class", "circ_type", "right_type"),
    "phone",
)
REMEMBERED_SECONDS = 5.0


@dataclass(frozen=True)
class Heading:
    """What a header means, where it is claimed, and how wide the field is in a DBF (if known)."""

    field: str
    profile: int
    dbf_width: int | None

    @property
    def shown_field(self) -> str:
        """How a finding names the column: full and short names are both the holder's name."""
        return "holder_name" if self.field == "short_name" else self.field


@dataclass(frozen=True)
class Layout:
    """Where a file has which field: positions of its columns from 0."""

    headers: tuple[str, ...]
    columns: dict[str, int]
    short_name: int | None  # a second column for the name, used where the full one is blank
    unknown: tuple[str, ...]
    # Of each header, as known when the file was opened: while its rows are copied, nobody can ask
    # the database. Empty for files whose headers are no profile's.
    headings: tuple[Heading | None, ...] = ()

    def field_at(self, position: int) -> str:
        """How a finding names the column at a position."""
        if position >= len(self.headers):
            return ""
        heading = self._heading_at(position)
        return heading.shown_field if heading else _shown(self.headers[position])

    def is_short_name(self, position: int) -> bool:
        heading = self._heading_at(position)
        return heading is not None and heading.field == "short_name"

    def _heading_at(self, position: int) -> Heading | None:
        return self.headings[position] if self.headings else heading_of(self.headers[position])


class _Known:
    """What this process has read; replaced whole, never changed in place."""

    headings: Mapping[str, Heading] = {}
    read_at = float("-inf")  # seconds of the monotonic clock


def heading_of(header: str) -> Heading | None:
    """What a header means; blanks round it and letter case do not matter."""
    return _headings().get(header.strip().upper())


def forget() -> None:
    """Read the profiles again at the next question."""
    _Known.read_at = float("-inf")


def recognise(
    headers: Sequence[str],
    *,
    line: int | None,
    wanted: Sequence[str] = REGISTER,
    mandatory: Sequence[str] = MANDATORY,
) -> Layout:
    """The layout of a file with these headers, or Unreadable: a field is missing or there twice.

    Of the known fields only the `wanted` ones are looked at.
    """
    headings = tuple(heading_of(header) for header in headers)
    columns: dict[str, int] = {}
    for position, heading in enumerate(headings):
        if heading is None or heading.field not in wanted:
            continue
        if heading.field in columns:
            raise Unreadable(Finding("DUPLICATE_COLUMN", line=line, column=heading.shown_field))
        columns[heading.field] = position
    short_name = columns.pop("short_name", None)
    if short_name is not None:
        full_name = columns.setdefault("holder_name", short_name)
        if full_name == short_name:
            short_name = None
        elif not _are_of_one_profile(headings[full_name], headings[short_name]):
            raise Unreadable(Finding("DUPLICATE_COLUMN", line=line, column="holder_name"))
    if missing := [field for field in mandatory if field not in columns]:
        raise Unreadable(*(Finding("MISSING_COLUMN", line=line, column=field) for field in missing))
    unknown = tuple(
        _shown(header)
        for header, heading in zip(headers, headings, strict=True)
        if heading is None and header.strip()
    )
    return Layout(tuple(headers), columns, short_name, unknown, headings)


def _headings() -> Mapping[str, Heading]:
    if time.monotonic() - _Known.read_at > REMEMBERED_SECONDS:
        _Known.headings = {
            header.header: Heading(header.field, header.profile_id, header.dbf_width)
            for header in ImportHeader.objects.all()
        }
        _Known.read_at = time.monotonic()
    return _Known.headings


def _are_of_one_profile(*headings: Heading | None) -> bool:
    """Whether one profile claims them all: then they are a full and a short name by design."""
    return len({heading and heading.profile for heading in headings}) == 1


def _shown(header: str) -> str:
    """As much of an unknown header as a list of faults needs."""
    return "".join(c if c.isprintable() else " " for c in header[:40]).strip()
