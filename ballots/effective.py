"""Which votes count (有效表决): of all that a holder said, over all channels and accounts.

Most holders have one ballot of ours and nothing else to consider; the tally adds those up as they
stand. The others, the special ones, go through the steps below, each one statement over tables of
this transaction. At the end `tally_effective` has a row a holder and class that is present: its
shares, and its choices as they count, with "RECUSED" on motions that the holder must not vote on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _
from psycopg import sql
from psycopg.types.json import Jsonb

from meetings.agenda import Agenda
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, ShareClass
from voting_portal.common import ids

# Preferred shares are counted apart; these are added up as 普通股合计.
ORDINARY_CLASSES = (ShareClass.Code.A, ShareClass.Code.B, ShareClass.Code.SVR)
SMALL_MARKET_VALUE = 500_000  # yuan; below it 市值50万以下
# What becomes of a group whose votes break C3 or C4 is a policy of its own.
POLICY_OF_INVALID = {
    "OVER_LIMIT": "cumulative_overflow",
    "TOO_MANY_CANDIDATES": "cumulative_too_many_candidates",
}
TABLES = ("tally_special", "tally_recused", "tally_vote", "tally_effective")


@dataclass(frozen=True)
class Bounds:
    """The least shares with which a holder is no minority holder, has 5 % or 1 % of the ordinary
    capital, or shares of 500,000 yuan: whole shares, so comparing with them is exact.
    """

    not_minority: int
    five_percent: int
    one_percent: int
    not_small: int

    @classmethod
    def of(cls, agenda: Agenda) -> Bounds:
        capital = sum(c.capital for c in agenda.share_classes if c.code in ORDINARY_CLASSES)
        reaches = agenda.policies["seg_bounds"] == "LOWER_INCLUDED"
        not_small = 0
        if agenda.closing_price is not None:
            price, unit = agenda.closing_price.as_integer_ratio()
            not_small = least(SMALL_MARKET_VALUE * unit, price, reaches=reaches)
        return cls(
            least(capital, 20, reaches=agenda.policies["sm_threshold"] != "GT_5_OR_INSIDER"),
            least(capital, 20, reaches=reaches),
            least(capital, 100, reaches=reaches),
            not_small,
        )


def least(whole: int, parts: int, *, reaches: bool) -> int:
    """The least shares, 1 or more, that reach one of so many parts of the whole, or pass it."""
    return max(1, -(-whole // parts) if reaches else whole // parts + 1)


@dataclass(frozen=True)
class Scope:
    """How far the first vote prevails (first_vote_scope), in SQL: what is left of a holder's
    `places`, and whether an earlier vote (`before`) takes the place `part.key` of a later one."""

    first: str
    beaten: str


SCOPES = {
    "MOTION": Scope(
        "jsonb_merge(places ORDER BY at DESC, seq DESC, source DESC, id DESC)",
        "before.places ? part.key",
    ),
    "BALLOT": Scope(
        "COALESCE((array_agg(places ORDER BY at, seq, source, id)"
        " FILTER (WHERE places <> '{}'))[1], '{}')",
        "before.places <> '{}'",
    ),
}


SPECIAL = """
CREATE TEMPORARY TABLE tally_special ON COMMIT DROP AS
WITH large AS (
    SELECT id FROM meetings_holder
    WHERE {sizes_matter} AND id >= {first} AND id < {end} AND {ordinary} >= {one_percent}
), concert AS (
    SELECT DISTINCT "group", holder_id FROM meetings_concertparty
    WHERE meeting_id = {meeting} AND holder_id IS NOT NULL
), insider AS (
    SELECT holder_id FROM meetings_insider
    WHERE meeting_id = {meeting} AND holder_id IS NOT NULL
), large_concert AS (
    SELECT "group" FROM concert JOIN meetings_holder holder ON holder.id = concert.holder_id
    GROUP BY "group" HAVING sum({ordinary}) >= {not_minority}
), looked_at AS (
    SELECT id AS holder_id FROM large
    UNION SELECT holder_id FROM concert
    UNION SELECT holder_id FROM insider
    UNION SELECT holder_id FROM tally_recused
    UNION SELECT id FROM meetings_holder WHERE kind = 'N' AND id >= {first} AND id < {end}
    UNION SELECT holder_id FROM ballots_othervote
          WHERE id >= {first} AND id < {end} AND effect <> 'NOTHING'
)
SELECT holder.id AS holder_id, holder.kind,
       {ordinary} < {not_minority}
           AND ({insiders_are_minority} OR holder.id NOT IN (SELECT holder_id FROM insider))
           AND holder.id NOT IN (SELECT holder_id FROM concert JOIN large_concert USING ("group"))
           AS is_minority,
       CASE WHEN {ordinary} >= {five_percent} THEN 'ge5'
            WHEN {ordinary} >= {one_percent} THEN '1to5'
            WHEN {a_shares} < {not_small} THEN 'lt1_small' ELSE 'lt1_large' END AS segment
FROM looked_at JOIN meetings_holder holder ON holder.id = looked_at.holder_id
"""

RECUSED = """
CREATE TEMPORARY TABLE tally_recused ON COMMIT DROP AS
SELECT holder_id,
       array_agg(motion."group" || '.' || lpad(motion.item::text, 2, '0')) AS numbers
FROM meetings_recusal recusal JOIN meetings_motion motion ON motion.id = recusal.motion_id
WHERE motion.meeting_id = {meeting} AND holder_id IS NOT NULL GROUP BY holder_id
"""

VOTES = """
CREATE TEMPORARY TABLE tally_vote ON COMMIT DROP AS
SELECT ballot.holder_id, ballot.share_class, date_trunc('milliseconds', ballot.cast_at) AS at,
       ballot.seq, 0 AS source, ballot.id, 'LINK' AS channel, ballot.shares,
       ballot.choices AS places, false AS is_admitted
FROM tally_special special CROSS JOIN unnest({classes}) number
JOIN ballots_ballot ballot ON ballot.id = special.holder_id * 8 + number
UNION ALL
SELECT vote.holder_id, vote.share_class, date_trunc('milliseconds', vote.voted_at),
       vote.seq, 1, vote.id, vote.channel,
       CASE WHEN special.kind = 'N' THEN vote.declared ELSE vote.shares END,
       CASE WHEN vote.effect = 'ADMITTED' THEN '{{}}'
            WHEN vote.invalid = '{{}}' THEN vote.choices
            ELSE (
                SELECT COALESCE(jsonb_object_agg(key, CASE fate WHEN 'COUNTS' THEN value
                                                      WHEN 'ABSTAIN' THEN '{{}}' ELSE 'null' END)
                                FILTER (WHERE fate <> 'NOTHING'), '{{}}')
                FROM jsonb_each(vote.choices),
                     COALESCE({fates}::jsonb ->> (vote.invalid ->> key), 'COUNTS') fate
            ) END,
       vote.channel = 'ONSITE' AND vote.effect <> 'LISTED'
FROM ballots_othervote vote JOIN tally_special special USING (holder_id)
WHERE vote.id >= {first} AND vote.id < {end} AND vote.effect <> 'NOTHING'
"""

EFFECTIVE = """
CREATE TEMPORARY TABLE tally_effective ON COMMIT DROP AS
SELECT holder_id, share_class, special.kind, special.is_minority, special.segment,
       max(shares) AS shares, count(*) AS votes, bool_or(is_admitted) AS is_admitted,
       {first_prevails} AS choices,
       COALESCE((SELECT numbers FROM tally_recused recused
                 WHERE recused.holder_id = special.holder_id), '{{}}') AS recused
FROM tally_vote JOIN tally_special special USING (holder_id)
GROUP BY holder_id, share_class, special.holder_id, special.kind, special.is_minority,
         special.segment
"""

NOMINEES = """
UPDATE tally_effective effective SET shares = GREATEST((
    SELECT max(split.shares) FROM unnest({plain}::text[]) motion, LATERAL (
        SELECT sum(part.value::bigint) AS shares FROM jsonb_each_text(choices -> motion) part
    ) split WHERE choices ? motion
), (
    SELECT vote.shares FROM tally_vote vote
    WHERE (vote.holder_id, vote.share_class) = (effective.holder_id, effective.share_class)
    ORDER BY (vote.is_admitted OR EXISTS (
          SELECT FROM jsonb_each(vote.places) part
          WHERE part.value <> 'null' AND NOT EXISTS (
              SELECT FROM tally_vote before
              WHERE (before.holder_id, before.share_class) = (vote.holder_id, vote.share_class)
                AND (before.at, before.seq, before.source, before.id)
                    < (vote.at, vote.seq, vote.source, vote.id)
                AND {beaten}))) DESC,
        vote.at, vote.seq, vote.source, vote.id LIMIT 1
))
WHERE kind = 'N' AND votes > 1
"""

# What becomes of a holder who agrees to two motions of a group; `keys` are its votes in the group.
EXCLUSIVE_POLICIES = {
    "ABSTAIN_ALL": """choices || (
        SELECT jsonb_object_agg(key, 'ABSTAIN'::text) FROM unnest(keys) key)""",
    "INVALID_ALL": "choices - keys",
    "FIRST_AGREE": """choices || (
        SELECT jsonb_object_agg(key, 'ABSTAIN'::text) FROM unnest(keys) key
        WHERE choices ->> key = 'FOR' AND key <> (
            SELECT agreed.key FROM unnest(keys) WITH ORDINALITY agreed (key, place), LATERAL (
                SELECT at, seq, source, id FROM tally_vote vote
                WHERE (vote.holder_id, vote.share_class)
                    = (effective.holder_id, effective.share_class) AND vote.places ? agreed.key
                ORDER BY at, seq, source, id LIMIT 1
            ) first
            WHERE choices ->> agreed.key = 'FOR'
            ORDER BY first.at, first.seq, first.source, first.id, agreed.place LIMIT 1))""",
}
EXCLUSIVE = """
UPDATE tally_effective effective SET choices = {policy}
FROM (
    SELECT holder_id, share_class, ARRAY(
               SELECT number FROM unnest({group}::text[]) WITH ORDINALITY motion (number, place)
               WHERE choices ? number AND NOT number = ANY (recused) ORDER BY place
           ) AS keys
    FROM tally_effective WHERE kind NOT IN ('N', 'V')
) judged
WHERE (judged.holder_id, judged.share_class) = (effective.holder_id, effective.share_class)
  AND (SELECT count(*) FROM unnest(keys) key WHERE choices ->> key = 'FOR') >= 2
"""

EXCLUDED = """
SELECT holder_id, share_class, key AS motion, shares,
       CASE WHEN kind = 'V' THEN 'VOTELESS' ELSE 'RECUSED' END AS reason
FROM tally_effective, jsonb_object_keys(choices) key
WHERE (kind = 'V' OR recused <> '{{}}') AND (kind = 'V' OR key = ANY (recused))
ORDER BY holder_id, share_class
"""

ABSENT = """
DELETE FROM tally_effective
WHERE kind = 'V' OR NOT (is_admitted OR jsonb_path_exists(choices, '$.* ? (@ != null)'))
"""

MARK_RECUSED = """
UPDATE tally_effective
SET choices = choices || (
    SELECT jsonb_object_agg(number, 'RECUSED'::text) FROM unnest(recused) number)
WHERE recused <> '{{}}'
"""


class NotClosed(CannotAdvance):
    """Nothing is counted before the polls are sealed: no figure, for nobody."""

    message = _("投票截止前任何人都不能查看或统计票数。本次尝试已记入会务日志。")


class Votes:
    """The votes of a meeting, sorted out inside one transaction.

    The tally, the detail list and the exceptions all begin here, so here it is that nobody gets in
    before the seal: NotClosed.
    """

    def __init__(self, agenda: Agenda) -> None:
        if not Meeting.objects.filter(pk=agenda.meeting_id, polls_sealed_at__isnull=False).exists():
            raise NotClosed
        self.agenda = agenda
        self.bounds = Bounds.of(agenda)
        first, end = ids.holder_range(agenda.meeting_id)
        self.scope = SCOPES[agenda.policies["first_vote_scope"]]
        self._words = {
            "meeting": sql.Literal(agenda.meeting_id),
            "first": sql.Literal(first),
            "end": sql.Literal(end),
            "motions": sql.Literal([motion.number for motion in agenda.motions]),
            "plain": sql.Literal([motion.number for motion in agenda.motions if motion.is_plain]),
            "classes": sql.Literal([c.number for c in agenda.share_classes]),
            "first_prevails": sql.SQL(self.scope.first),
            "beaten": sql.SQL(self.scope.beaten),
        }

    def sort_out(self) -> None:
        """Fill the tables of this transaction; `leave_the_present` takes out who is not."""
        self.find_special()
        self.decide()

    def find_special(self) -> None:
        """Find who must be looked at one by one: everybody else's ballot counts as it stands."""
        for table in TABLES:
            self._run(f"DROP TABLE IF EXISTS {table}")
        self._find_recused()
        self._find_special()

    def decide(self) -> None:
        """Decide which votes of special holders count; `find_special` comes before."""
        self._gather()
        self._let_the_first_prevail()
        self._judge_exclusive_groups()

    def _find_recused(self) -> None:
        """Who must not vote on what (X1)."""
        self._run(RECUSED)

    def _find_special(self) -> None:
        """Holders to look at one by one, with what they are: minority (P1) and segment (P7).

        A minority holder is no insider (but by a policy) and has, alone or with its concert
        parties, less than 5 % of the ordinary capital: every class and account, of a nominee the
        whole register line.
        Everybody else is a minority holder with less than 1 %.
        """
        motions = self.agenda.motions
        sizes_matter = any(motion.has_minority_count or motion.is_dividend for motion in motions)
        places = {c.code: c.number + 1 for c in self.agenda.share_classes}
        shares = [f"COALESCE(shares[{places[c]}], 0)" for c in ORDINARY_CLASSES if c in places]
        a_place = places.get(ShareClass.Code.A, 0)
        self._run(
            SPECIAL,
            sizes_matter=sql.Literal(sizes_matter),
            ordinary=sql.SQL("({})".format(" + ".join(shares) or "0")),
            a_shares=sql.SQL(f"COALESCE(shares[{a_place}], 0)"),
            insiders_are_minority=sql.Literal(self.agenda.policies["sm_threshold"] == "GE_5"),
            not_minority=sql.Literal(self.bounds.not_minority),
            five_percent=sql.Literal(self.bounds.five_percent),
            one_percent=sql.Literal(self.bounds.one_percent),
            not_small=sql.Literal(self.bounds.not_small),
        )
        self._run("ALTER TABLE tally_special ADD PRIMARY KEY (holder_id)")
        self._run("ANALYZE tally_special")

    def _gather(self) -> None:
        """All their votes with the places that they claim: one a motion or group (D3).

        Void votes claim nothing. An invalid group claims its place with nothing in it, unless the
        meeting's policy is that it does not (D6), or that it abstains.
        """
        policies = self.agenda.policies
        invalid = "OCCUPIES" if policies["invalid_occupies_slot"] else "NOTHING"
        fates = {
            reason: "ABSTAIN" if policies[policy] == "ABSTAIN" else invalid
            for reason, policy in POLICY_OF_INVALID.items()
        }
        self._run(VOTES, fates=sql.Literal(Jsonb(fates | {"NOT_OF_CLASS": "NOTHING"})))
        self._run("CREATE INDEX ON tally_vote (holder_id, share_class)")
        self._run("ANALYZE tally_vote (holder_id, share_class)")

    def _let_the_first_prevail(self) -> None:
        """Per holder and class, the first vote on each motion or group (D1, D3, D4).

        A nominee is present with what it declared in the first vote that is not wholly beaten (N3);
        one that answers motion by motion, with no fewer shares than it says on any of them. One
        whose votes all came to nothing is listed with what it declared in the first.
        """
        self._run(EFFECTIVE)
        self._run(NOMINEES)

    def _judge_exclusive_groups(self) -> None:
        """Who agrees to two motions on one matter over all channels (X6); nominees may."""
        groups: dict[str, list[str]] = {}
        for motion in self.agenda.motions:
            if motion.exclusive_group:
                groups.setdefault(motion.exclusive_group, []).append(motion.number)
        policy = EXCLUSIVE_POLICIES.get(self.agenda.policies["exclusive_policy"])
        for numbers in groups.values() if policy else ():
            self._run(EXCLUSIVE, policy=sql.SQL(policy or ""), group=sql.Literal(numbers))

    def excluded(self) -> list[dict[str, Any]]:
        """Who holds a place and must not vote: recused or voteless (B7, X1), by holder. Ask before
        `leave_the_present`."""
        return list(self._rows(EXCLUDED))

    def leave_the_present(self) -> None:
        """Take out who is not present: voteless, or neither an effective vote nor admission (B5).

        Recused holders stay: they are present, but not for their motions.
        """
        self._run(ABSENT)
        self._run(MARK_RECUSED)

    def _run(self, statement: str, **words: sql.Composable) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(**self._words, **words))

    def _rows(self, statement: str, **words: sql.Composable) -> Iterator[dict[str, Any]]:
        return rows_of(sql.SQL(statement).format(**self._words, **words))


def rows_of(query: sql.Composable) -> Iterator[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description or ()]
        for row in cursor.fetchall():
            yield dict(zip(names, row, strict=True))
