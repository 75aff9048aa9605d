"""The tally (计票): votes by motion, class and opinion, added up by PostgreSQL in whole numbers.

One pass over the meeting's ballots gives every sum; recused holders, who are few, are read apart
and taken out. What the sums mean is results.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg import sql

from meetings.agenda import Agenda, MotionPaper
from voting_portal.common import ids


@dataclass
class Opinions:
    """Shares for and against of all `present` and entitled; the rest abstains."""

    present: int = 0
    for_: int = 0
    against: int = 0

    @property
    def abstain(self) -> int:
        return self.present - self.for_ - self.against


@dataclass(frozen=True)
class Excluded:
    """A vote that was cast in vain: the holder must not vote on this motion."""

    holder_id: int
    share_class: str
    shares: int
    reason: str  # RECUSED


@dataclass
class MotionCount:
    """One motion: opinions by class code, votes by candidate number, and who is taken out."""

    opinions: dict[str, Opinions] = field(default_factory=lambda: defaultdict(Opinions))
    candidates: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    excluded: list[Excluded] = field(default_factory=list)


@dataclass
class Counts:
    """Everything counted at a meeting, in shares by class; candidates' votes as they were given."""

    holders: int = 0  # heads; a holder of two classes is one
    holders_by_class: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shares_by_class: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    motions: dict[str, MotionCount] = field(default_factory=lambda: defaultdict(MotionCount))


def count_ballots(agenda: Agenda) -> Counts:
    """Add up the ballots of a meeting: two queries, whatever their number."""
    counts = Counts()
    code = {c.number: c.code for c in agenda.share_classes}
    votable = [motion for motion in agenda.motions if not motion.is_heading]
    for row in _sums(agenda.meeting_id, votable):
        _add_class(counts, code[row["share_class"]], row, votable)
    counts.holders = _heads(agenda.meeting_id, counts)
    for row in _recused_ballots(agenda.meeting_id):
        _take_out(counts, code[row["share_class"]], row)
    return counts


def _sums(meeting_id: int, motions: list[MotionPaper]) -> list[Mapping[str, Any]]:
    """One row a class: heads, shares, and a column a question asked of the choices."""
    columns: list[sql.Composable] = []
    fields: list[sql.Composable] = []
    for motion in motions:
        choice = sql.Identifier("choice", motion.number)
        kind = sql.SQL("jsonb" if motion.is_cumulative else "text")
        fields.append(sql.SQL("{} {}").format(sql.Identifier(motion.number), kind))
        if motion.is_cumulative:
            columns.extend(
                sql.SQL("COALESCE(sum(({} ->> {})::bigint), 0) AS {}").format(
                    choice, sql.Literal(candidate.number), sql.Identifier(candidate.number)
                )
                for candidate in motion.candidates
            )
        else:
            columns.extend(
                sql.SQL("COALESCE(sum(shares) FILTER (WHERE {} = {}), 0) AS {}").format(
                    choice, sql.Literal(opinion), sql.Identifier(f"{motion.number} {opinion}")
                )
                for opinion in ("FOR", "AGAINST")
            )
    query = sql.SQL(
        "SELECT share_class, count(*) AS holders, sum(shares) AS shares {columns}"
        " FROM ballots_ballot, jsonb_to_record(choices) AS choice ({fields})"
        " WHERE id >= {first} AND id < {end} GROUP BY share_class ORDER BY share_class"
    ).format(
        columns=sql.SQL("").join(sql.SQL(", ") + column for column in columns),
        fields=sql.SQL(", ").join(fields),
        **_bounds(meeting_id),
    )
    return _rows(query)


def _heads(meeting_id: int, counts: Counts) -> int:
    if len(counts.holders_by_class) <= 1:
        return sum(counts.holders_by_class.values())
    query = sql.SQL(
        "SELECT count(*) AS heads FROM (SELECT DISTINCT holder_id FROM ballots_ballot"
        " WHERE id >= {first} AND id < {end}) holder"
    )
    heads: int = _rows(query.format(**_bounds(meeting_id)))[0]["heads"]
    return heads


def _recused_ballots(meeting_id: int) -> list[Mapping[str, Any]]:
    """Ballots of holders recused from a motion, one row a motion and class, by holder."""
    query = sql.SQL(
        "SELECT DISTINCT ballot.holder_id, ballot.share_class, ballot.shares,"
        "  motion.number, ballot.choices -> motion.number AS choice"
        " FROM meetings_recusal recusal"
        " JOIN (SELECT id, \"group\" || '.' || lpad(item::text, 2, '0') AS number"
        "       FROM meetings_motion WHERE meeting_id = {meeting}) motion"
        "   ON motion.id = recusal.motion_id"
        " JOIN ballots_ballot ballot ON ballot.holder_id = recusal.holder_id"
        "  AND ballot.id >= {first} AND ballot.id < {end}"
        "  AND ballot.id BETWEEN recusal.holder_id * 8 AND recusal.holder_id * 8 + 7"
        " ORDER BY ballot.holder_id, ballot.share_class, motion.number"
    )
    return _rows(query.format(meeting=sql.Literal(meeting_id), **_bounds(meeting_id)))


def _add_class(
    counts: Counts, code: str, row: Mapping[str, Any], motions: list[MotionPaper]
) -> None:
    counts.holders_by_class[code] = row["holders"]
    counts.shares_by_class[code] = int(row["shares"])
    for motion in motions:
        if code not in motion.share_classes:
            continue
        count = counts.motions[motion.number]
        opinions = count.opinions[code]
        opinions.present = int(row["shares"])
        for candidate in motion.candidates:
            count.candidates[candidate.number] += int(row[candidate.number])
        if not motion.is_cumulative:
            opinions.for_ = int(row[f"{motion.number} FOR"])
            opinions.against = int(row[f"{motion.number} AGAINST"])


def _take_out(counts: Counts, code: str, row: Mapping[str, Any]) -> None:
    """A recused holder leaves both sides of the fraction, and stays in the attendance."""
    count = counts.motions[row["number"]]
    if code not in count.opinions:
        return
    opinions, shares = count.opinions[code], row["shares"]
    choice = json.loads(row["choice"]) if row["choice"] else None
    opinions.present -= shares
    opinions.for_ -= shares if choice == "FOR" else 0
    opinions.against -= shares if choice == "AGAINST" else 0
    if isinstance(choice, dict):
        for candidate, votes in choice.items():
            count.candidates[candidate] -= votes
    if choice is not None:
        count.excluded.append(Excluded(row["holder_id"], code, shares, "RECUSED"))


def _bounds(meeting_id: int) -> dict[str, sql.Composable]:
    first, end = ids.ballot_range(meeting_id)
    return {"first": sql.Literal(first), "end": sql.Literal(end)}


def _rows(query: sql.Composable) -> list[Mapping[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
