"""What the person who approves a register looks at (名册预览): masked, and read from its tables.

Before the approval these are the detached ones, afterwards the meeting's partitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql

from meetings.models import Holder, Register
from meetings.register import filling
from meetings.register.staging import HOLDERS, HOLDINGS
from voting_portal.common import ids, partitions

FIRST_HOLDERS = 10
MOST_SPECIAL_ACCOUNTS = 200
# Holdings by powers of ten: 1 to 99 shares, 100 to 999, ... and a hundred million or more.
SMALLEST_CLASS, LARGEST_CLASS = 1, 8
BAR_HEIGHT, BAR_WIDTH, BAR_GAP = 120, 44, 8

_TOTAL = "(SELECT sum(s) FROM unnest(shares) AS s)"
_FIRST = """
SELECT id, name_masked, phone_masked, kind, shares FROM {holders} ORDER BY id LIMIT {most}
"""
_BY_KIND = "SELECT kind, count(*), sum({total}) FROM {holders} GROUP BY kind ORDER BY kind"
_BY_SIZE = """
SELECT least({largest}, greatest({smallest}, floor(log({total}))))::int AS class,
    count(*), sum({total})
FROM {holders} GROUP BY 1 ORDER BY 1
"""
_SPECIAL = """
SELECT h.kind, h.name_masked, a.account_masked, a.share_class, a.shares
FROM {holders} h JOIN {holdings} a ON a.holder_id = h.id
WHERE h.kind IN ('N', 'V') ORDER BY h.kind DESC, a.shares DESC, a.id LIMIT {most}
"""


@dataclass(frozen=True)
class FirstHolder:
    number: int
    name: str  # masked
    phone: str  # masked
    kind: str
    shares: tuple[int, ...]  # by class


@dataclass(frozen=True)
class KindTotal:
    kind: str
    holders: int
    shares: int


@dataclass(frozen=True)
class SpecialAccount:
    """An account found by its owner's name: it votes for others, or not at all."""

    kind: str
    is_voteless: bool
    name: str  # masked
    account: str  # masked
    share_class: str
    shares: int


@dataclass(frozen=True)
class SizeClass:
    """Holders with so many shares, and their bar in the histogram (in the picture's own units)."""

    label: str
    holders: int
    shares: int
    left: int
    top: int
    height: int

    @property
    def middle(self) -> int:
        return self.left + BAR_WIDTH // 2


@dataclass(frozen=True)
class Preview:
    first_holders: tuple[FirstHolder, ...]
    kinds: tuple[KindTotal, ...]
    special_accounts: tuple[SpecialAccount, ...]
    has_more_special_accounts: bool
    sizes: tuple[SizeClass, ...]

    @property
    def picture_width(self) -> int:
        return len(self.sizes) * (BAR_WIDTH + BAR_GAP) + BAR_GAP


def preview_of(register: Register) -> Preview | None:
    """The preview of a register that waits for approval or is in force; None of any other."""
    tables = _tables_of(register)
    if tables is None:
        return None
    special = _rows(_SPECIAL, tables, most=sql.Literal(MOST_SPECIAL_ACCOUNTS + 1))
    codes = {c.number: str(c) for c in register.meeting.share_classes.all()}
    return Preview(
        first_holders=tuple(
            FirstHolder(ids.index_of(pk), name, phone, _kind(kind), tuple(shares))
            for pk, name, phone, kind, shares in _rows(
                _FIRST, tables, most=sql.Literal(FIRST_HOLDERS)
            )
        ),
        kinds=tuple(
            KindTotal(_kind(kind), holders, int(shares))
            for kind, holders, shares in _rows(_BY_KIND, tables)
        ),
        special_accounts=tuple(
            SpecialAccount(
                _kind(kind), kind == Holder.Kind.VOTELESS, name, account, codes[number], shares
            )
            for kind, name, account, number, shares in special[:MOST_SPECIAL_ACCOUNTS]
        ),
        has_more_special_accounts=len(special) > MOST_SPECIAL_ACCOUNTS,
        sizes=tuple(_sizes({size: found for size, *found in _by_size(tables)})),
    )


def _tables_of(register: Register) -> dict[str, sql.Composable] | None:
    if register.state == Register.State.CHECKED:
        names = [f"{table}_{filling.suffix_of(register)}" for table in (HOLDERS, HOLDINGS)]
    elif register.state == Register.State.LOADED:
        names = [partitions.partition_name(t, register.meeting_id) for t in (HOLDERS, HOLDINGS)]
    else:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tablename = ANY(%s)", [names])
        if cursor.fetchone() != (2,):
            return None  # purged
    return dict(zip(("holders", "holdings"), map(sql.Identifier, names), strict=True))


def _by_size(tables: dict[str, sql.Composable]) -> list[Any]:
    bounds = {"smallest": sql.Literal(SMALLEST_CLASS), "largest": sql.Literal(LARGEST_CLASS)}
    return _rows(_BY_SIZE, tables, **bounds)


def _sizes(found: dict[int, list[Any]]) -> Iterator[SizeClass]:
    """Every class, the empty ones too; the bars' heights go by the number of holders."""
    most = max((holders for holders, _shares in found.values()), default=0)
    for at, size in enumerate(range(SMALLEST_CLASS, LARGEST_CLASS + 1)):
        holders, shares = found.get(size, (0, 0))
        # Whoever is there can be seen, however few.
        height = max(2, BAR_HEIGHT * holders // most) if holders else 0
        low = 1 if size == SMALLEST_CLASS else 10**size
        label = f"≥ {low:,}" if size == LARGEST_CLASS else f"{low:,} - {10 ** (size + 1) - 1:,}"
        left = BAR_GAP + at * (BAR_WIDTH + BAR_GAP)
        yield SizeClass(label, holders, int(shares), left, BAR_HEIGHT - height, height)


def _kind(kind: str) -> str:
    return str(Holder.Kind(kind).label)


def _rows(statement: str, tables: dict[str, sql.Composable], **parts: sql.Composable) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(total=sql.SQL(_TOTAL), **tables, **parts))
        return list(cursor.fetchall())
