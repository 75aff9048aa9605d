"""Votes that do not count as they were cast (异常清单): beaten, invalid, excluded, flagged.

What names tables of the transaction needs `effective.Votes.sort_out` before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from ballots.announcement_appendix import channel_names, exclusion_name, flag_name
from ballots.effective import EXCLUDED, SCOPES, Votes, rows_of
from meetings.agenda import Agenda, read_agenda
from meetings.lifecycle import BEIJING
from voting_portal.common import ids
from voting_portal.common.csv_files import head_line
from voting_portal.common.formulas import defused

FETCHED = 5_000  # rows at a time

SUPERSEDED = """
WITH beaten AS (
    SELECT vote.* FROM tally_vote vote
    WHERE EXISTS (
        SELECT FROM tally_vote before, jsonb_object_keys(vote.places) part (key)
        WHERE (before.holder_id, before.share_class) = (vote.holder_id, vote.share_class)
          AND (before.at, before.seq, before.source, before.id)
              < (vote.at, vote.seq, vote.source, vote.id) AND {beaten})
    ORDER BY seq, channel, id LIMIT {limit}
)
SELECT channel, seq, part.key AS motion, holder_id, share_class, at
FROM beaten, jsonb_object_keys(places) part (key)
WHERE EXISTS (
    SELECT FROM tally_vote before
    WHERE (before.holder_id, before.share_class) = (beaten.holder_id, beaten.share_class)
      AND (before.at, before.seq, before.source, before.id)
          < (beaten.at, beaten.seq, beaten.source, beaten.id) AND {beaten})
ORDER BY seq, channel, beaten.id, array_position({motions}::text[], part.key) LIMIT {limit}
"""

INVALID = """
SELECT key AS motion, seq, value AS reason, channel
FROM ballots_othervote, jsonb_each_text(invalid)
WHERE id >= {first} AND id < {end} AND effect = 'COUNTS' AND invalid <> '{{}}'
  AND value <> 'NOT_OF_CLASS'
ORDER BY seq, channel, id LIMIT {limit}
"""

FLAGGED = """
SELECT channel, seq, reasons, account_masked, share_class, voted_at AS at
FROM ballots_othervote WHERE id >= {first} AND id < {end} AND reasons <> '{{}}'
ORDER BY id
"""


def superseded(agenda: Agenda, *, limit: int | None) -> list[dict[str, Any]]:
    """Parts of votes that an earlier vote beat: channel, seq and motion, by number, then agenda."""
    return [
        {name: row[name] for name in ("channel", "seq", "motion")}
        for row in rows_of(_query(SUPERSEDED, agenda, limit=limit))
    ]


def invalid(agenda: Agenda, *, limit: int | None) -> dict[str, list[dict[str, Any]]]:
    """Stored votes whose group is invalid (seq, reason, channel), by motion, then number."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(_query(INVALID, agenda, limit=limit)):
        found.setdefault(row.pop("motion"), []).append(row)
    return found


def exception_lines(meeting_id: int) -> Iterator[bytes]:
    """All exceptions of a closed meeting as CSV (UTF-8 with BOM), in blocks.

    Holders are named by their number in the register, times are Beijing's. The heading comes at
    once. One transaction for as long as it is read; whoever stops reading ends it.
    """
    heading = (
        _("情形"),
        _("渠道"),
        _("受理序号"),
        _("时间"),
        _("股东（名册序号或证券账户）"),
        _("股份类别"),
        _("议案序号"),
        _("原因"),
    )
    yield head_line(heading)
    with transaction.atomic():
        agenda = read_agenda(meeting_id)
        Votes(agenda).sort_out()
        for kind, statement in (
            (_("重复表决"), SUPERSEDED),
            (_("不计入"), EXCLUDED),
            (_("有标记"), FLAGGED),
        ):
            lines = _lines(kind, _query(statement, agenda, limit=None), agenda)
            while block := list(islice(lines, FETCHED)):
                yield _csv(block).encode()


def _lines(kind: str, query: sql.Composed, agenda: Agenda) -> Iterator[tuple[Any, ...]]:
    code = {c.number: c.code for c in agenda.share_classes}
    channels = channel_names()
    for row in _streamed(query):
        account = row.get("account_masked")
        yield (
            kind,
            channels.get(row.get("channel", ""), ""),
            row.get("seq", ""),
            _moment(row.get("at")),
            ids.index_of(row["holder_id"]) if account is None else defused(account),
            code[row["share_class"]],
            row.get("motion", ""),
            _reason(row),
        )


def _csv(rows: Iterable[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _moment(at: datetime | None) -> str:
    """To the millisecond, by which the first vote is found."""
    if at is None:
        return ""
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _reason(row: dict[str, Any]) -> str:
    if "reasons" in row:
        return "、".join(map(flag_name, row["reasons"]))
    return exclusion_name(row["reason"]) if "reason" in row else ""


def _query(statement: str, agenda: Agenda, *, limit: int | None) -> sql.Composed:
    first, end = ids.holder_range(agenda.meeting_id)
    return sql.SQL(statement).format(
        first=sql.Literal(first),
        end=sql.Literal(end),
        motions=sql.Literal([motion.number for motion in agenda.motions]),
        beaten=sql.SQL(SCOPES[agenda.policies["first_vote_scope"]].beaten),
        limit=sql.Literal(limit),
    )


def _streamed(query: sql.Composed) -> Iterator[dict[str, Any]]:
    with connection.connection.cursor(name="exceptions") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(query)
        names = [column.name for column in cursor.description or ()]
        for row in cursor:
            yield dict(zip(names, row, strict=True))
