"""The tally (计票): votes by motion, class and opinion, added up by PostgreSQL in whole numbers.

All ballots of ours are added up as they stand, in one pass; those of special holders are taken out
of the sums again, and added as effective.py sorted them out, nominees by the shares that they
split. What the sums mean is results.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from ballots import exceptions
from ballots.effective import ORDINARY_CLASSES, Votes, rows_of
from ballots.models import TallyRequest
from meetings.agenda import Agenda, MotionPaper
from voting_portal.common import ids

# Hears what is being done next.
Tell = Callable[[TallyRequest.Stage], None]


def tell_nobody(_stage: TallyRequest.Stage) -> None:
    """For counts that nobody watches."""


@dataclass
class Opinions:
    """Shares for and against of all `present` and entitled; the rest abstains."""

    present: int = 0
    for_: int = 0
    against: int = 0

    @property
    def abstain(self) -> int:
        return self.present - self.for_ - self.against

    def add(self, other: Opinions, times: int = 1) -> None:
        """Add other opinions, each share counted so many times."""
        self.present += other.present * times
        self.for_ += other.for_ * times
        self.against += other.against * times


@dataclass(frozen=True)
class Body:
    """Present holders who are the same for every count: class, minority or not, segment.

    `shares` are theirs, opinions in shares, candidates' votes as they were given. A body of ballots
    that are taken out again is negative.
    """

    share_class: str
    is_minority: bool
    segment: str  # ge5, 1to5, lt1_small, lt1_large
    holders: int
    shares: int
    opinions: Mapping[str, Opinions]
    candidates: Mapping[str, int]


@dataclass(frozen=True)
class Excluded:
    """A vote that was cast in vain: the holder must not vote on this motion."""

    holder_id: int
    share_class: str
    shares: int
    reason: str  # RECUSED, VOTELESS


@dataclass
class Counts:
    """Everything counted at a meeting; lists of votes that do not count are by vote number."""

    holders: int = 0  # heads with ordinary shares; a holder of two classes is one
    bodies: list[Body] = field(default_factory=list)
    excluded: dict[str, list[Excluded]] = field(default_factory=dict)  # by motion
    superseded: list[dict[str, Any]] = field(default_factory=list)  # channel, seq, motion
    invalid: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by motion


def count_votes(
    agenda: Agenda, *, list_limit: int | None = None, tell: Tell = tell_nobody
) -> Counts:
    """Add up the votes of a meeting, in a number of statements that does not grow with them.

    Needs a transaction. At most `list_limit` superseded and invalid votes are listed.
    """
    tell(TallyRequest.Stage.CHANNELS)
    votes = Votes(agenda)
    votes.sort_out()
    code = {c.number: c.code for c in agenda.share_classes}
    counts = Counts()
    for row in votes.excluded():
        counts.excluded.setdefault(row["motion"], []).append(
            Excluded(row["holder_id"], code[row["share_class"]], row["shares"], row["reason"])
        )
    votes.leave_the_present()
    for sums, stage in (
        (_Plain, TallyRequest.Stage.BALLOTS),
        (_TakenOut, TallyRequest.Stage.BREAKDOWNS),
        (_Special, TallyRequest.Stage.BREAKDOWNS),
        (_Split, TallyRequest.Stage.BREAKDOWNS),
    ):
        tell(stage)
        query = sums(agenda, not_small=votes.bounds.not_small).statement()
        counts.bodies += [_body(agenda, code, row, sign=sums.sign) for row in rows_of(query)]
    counts.holders = _heads(agenda, counts)
    counts.superseded = exceptions.superseded(agenda, limit=list_limit)
    counts.invalid = exceptions.invalid(agenda, limit=list_limit)
    return counts


class _Plain:
    """The sums of all ballots of ours, as if every holder had nothing else to consider: minority
    holders below 1 %. This is the one pass over everything, and PostgreSQL spreads it over its
    workers, which it does not where a temporary table is asked; so special holders' ballots are
    taken out of the sums again."""

    sign = 1
    source = sql.SQL(
        "SELECT share_class, shares, choices, true AS is_minority,"
        " CASE WHEN shares < {not_small} THEN 'lt1_small' ELSE 'lt1_large' END AS segment"
        " FROM ballots_ballot WHERE id >= {first} AND id < {end}"
    )

    def __init__(self, agenda: Agenda, *, not_small: int) -> None:
        self.agenda = agenda
        self.motions = [motion for motion in agenda.motions if not motion.is_heading]
        self.not_small = not_small

    def statement(self) -> sql.Composable:
        """One row a body: heads, shares, and a column a question asked of the choices."""
        first, end = ids.ballot_range(self.agenda.meeting_id)
        columns: list[sql.Composable] = []
        for motion in self.motions:
            columns.extend(self.questions(motion))
        return sql.SQL(
            "SELECT share_class, is_minority, segment, count(*) AS holders, sum(shares) AS shares"
            "{columns} FROM ({source}) vote, jsonb_to_record(choices) AS choice ({fields})"
            " GROUP BY share_class, is_minority, segment ORDER BY share_class, is_minority, segment"
        ).format(
            columns=sql.SQL("").join(sql.SQL(", ") + column for column in columns),
            source=self.source.format(
                first=sql.Literal(first),
                end=sql.Literal(end),
                not_small=sql.Literal(self.not_small),
            ),
            fields=sql.SQL(", ").join(
                sql.SQL("{} {}").format(
                    sql.Identifier(motion.number), sql.SQL(self.type_of(motion))
                )
                for motion in self.motions
            ),
        )

    def type_of(self, motion: MotionPaper) -> str:
        return "jsonb" if motion.is_cumulative else "text"

    def questions(self, motion: MotionPaper) -> Iterator[sql.Composable]:
        choice = sql.Identifier("choice", motion.number)
        if motion.is_cumulative:
            yield from self.candidates(motion, choice)
            if self.agenda.policies["cumulative_base"] == "VOTED_SHARES":
                voted = sql.SQL("jsonb_typeof({})").format(choice)
                yield self.sum_where(voted, "object", f"{motion.number} VOTED")
            return
        for opinion in ("FOR", "AGAINST"):
            yield self.sum_where(choice, opinion, f"{motion.number} {opinion}")

    def candidates(self, motion: MotionPaper, choice: sql.Composable) -> Iterator[sql.Composable]:
        for candidate in motion.candidates:
            yield sql.SQL("COALESCE(sum(({} ->> {})::bigint), 0) AS {}").format(
                choice, sql.Literal(candidate.number), sql.Identifier(candidate.number)
            )

    def sum_where(self, choice: sql.Composable, value: str, name: str) -> sql.Composable:
        return sql.SQL("COALESCE(sum(shares) FILTER (WHERE {} = {}), 0) AS {}").format(
            choice, sql.Literal(value), sql.Identifier(name)
        )


class _TakenOut(_Plain):
    """The same sums of special holders' ballots alone."""

    sign = -1
    source = sql.SQL(
        "SELECT share_class, shares, places AS choices, true AS is_minority,"
        " CASE WHEN shares < {not_small} THEN 'lt1_small' ELSE 'lt1_large' END AS segment"
        " FROM tally_vote WHERE source = 0"
    )


class _Special(_Plain):
    """The sums of holders who were looked at one by one; recused ones leave a motion's base.

    By a policy so does who said nothing on it, but on site, where a blank paper abstains (B6).
    """

    source = sql.SQL("SELECT * FROM tally_effective WHERE kind <> 'N'")

    def questions(self, motion: MotionPaper) -> Iterator[sql.Composable]:
        yield from super().questions(motion)
        choice = sql.Identifier("choice", motion.number)
        value = '"RECUSED"' if self.type_of(motion) == "jsonb" else "RECUSED"
        yield self.sum_where(choice, value, f"{motion.number} RECUSED")
        if self.agenda.policies["partial_missing_as"] == "ABSENT" and not motion.is_cumulative:
            yield sql.SQL(
                "COALESCE(sum(shares) FILTER (WHERE {} IS NULL AND NOT is_admitted), 0) AS {}"
            ).format(choice, sql.Identifier(f"{motion.number} MISSING"))


class _Split(_Special):
    """The sums of nominees, who say a number of shares for each opinion (N2)."""

    source = sql.SQL("SELECT * FROM tally_effective WHERE kind = 'N'")

    def type_of(self, _motion: MotionPaper) -> str:
        return "jsonb"

    def sum_where(self, choice: sql.Composable, value: str, name: str) -> sql.Composable:
        if value in ("FOR", "AGAINST"):
            return sql.SQL("COALESCE(sum(({} ->> {})::bigint), 0) AS {}").format(
                choice, sql.Literal(value), sql.Identifier(name)
            )
        return super().sum_where(choice, value, name)


def _body(agenda: Agenda, code: Mapping[int, str], row: Mapping[str, Any], *, sign: int) -> Body:
    def figure(name: str) -> int:
        return sign * int(row.get(name, 0))

    share_class, shares = code[row["share_class"]], figure("shares")
    entitled = [m for m in agenda.motions if not m.is_heading and share_class in m.share_classes]

    def present(motion: MotionPaper) -> int:
        if motion.is_cumulative and agenda.policies["cumulative_base"] == "VOTED_SHARES":
            return figure(f"{motion.number} VOTED")
        return shares - figure(f"{motion.number} RECUSED") - figure(f"{motion.number} MISSING")

    return Body(
        share_class=share_class,
        is_minority=row["is_minority"],
        segment=row["segment"],
        holders=figure("holders"),
        shares=shares,
        opinions={
            motion.number: Opinions(
                present=present(motion),
                for_=figure(f"{motion.number} FOR"),
                against=figure(f"{motion.number} AGAINST"),
            )
            for motion in entitled
        },
        candidates={c.number: figure(c.number) for motion in entitled for c in motion.candidates},
    )


def _heads(agenda: Agenda, counts: Counts) -> int:
    """Holders with ordinary shares present, each once whatever its classes."""
    ordinary = [c for c in agenda.share_classes if c.code in ORDINARY_CLASSES]
    if len(ordinary) <= 1:
        codes = {c.code for c in ordinary}
        return sum(body.holders for body in counts.bodies if body.share_class in codes)
    first, end = ids.ballot_range(agenda.meeting_id)
    query = sql.SQL(
        "SELECT count(*) AS heads FROM ("
        " SELECT holder_id FROM ballots_ballot ballot WHERE id >= {first} AND id < {end}"
        "  AND share_class = ANY ({classes}) AND NOT EXISTS"
        "  (SELECT FROM tally_special special WHERE special.holder_id = ballot.holder_id)"
        " UNION SELECT holder_id FROM tally_effective WHERE share_class = ANY ({classes})"
        ") holder"
    ).format(
        first=sql.Literal(first),
        end=sql.Literal(end),
        classes=sql.Literal([c.number for c in ordinary]),
    )
    heads: int = next(rows_of(query))["heads"]
    return heads
