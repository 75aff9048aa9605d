"""The detail list (明细): every vote on every motion, whether it counts as it was cast, and if not
why.

PostgreSQL writes the lines itself (COPY), so memory is flat and the first come at once: ballots of
holders with nothing else to consider, then those that effective.py looks at one by one, and the
votes of other channels.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql
from psycopg.types.json import Jsonb

from ballots.announcement_appendix import channel_names, flag_name
from ballots.effective import Votes
from ballots.flags import REASONS
from ballots.models import Opinion
from meetings.agenda import read_agenda
from meetings.lifecycle import BEIJING
from voting_portal.common import ids
from voting_portal.common.csv_files import copied, head_line
from voting_portal.common.formulas import defused_column

COLUMNS = (
    gettext_lazy("名册序号"),
    gettext_lazy("股东"),
    gettext_lazy("证券账户"),
    gettext_lazy("股份类别"),
    gettext_lazy("股数"),
    gettext_lazy("渠道"),
    gettext_lazy("时间"),
    gettext_lazy("受理序号"),
    gettext_lazy("议案序号"),
    gettext_lazy("表决内容"),
    gettext_lazy("是否按所投计入"),
    gettext_lazy("未计入原因"),
)

# The columns that are the same on every line of a vote, worked out once: a subquery with an order
# is not taken apart by the planner.
HEAD = """vote.holder_id & {index_mask} AS number, {harmless_name} AS name,
       {harmless_account} AS account, {classes}::jsonb ->> vote.share_class::text AS class,
       vote.shares AS votes_with, {channels}::jsonb ->> vote.channel AS channel_name,
       to_char(vote.at AT TIME ZONE {zone}, 'YYYY-MM-DD HH24:MI:SS.MS') AS moment"""

# What is left when a part of a vote is none: somebody who came and said nothing.
LINE = """
SELECT vote.number, vote.name, vote.account, vote.class, vote.votes_with, vote.channel_name,
       vote.moment, vote.seq, part.key,
       CASE jsonb_typeof(part.value)
            WHEN 'string' THEN {opinions}::jsonb ->> (part.value #>> '{{}}')
            WHEN 'object' THEN (
                SELECT string_agg(COALESCE({opinions}::jsonb ->> key, key) || ' ' || value, ' ')
                FROM jsonb_each_text(part.value))
            ELSE {nothing} END,
       CASE WHEN {reason} IS NULL THEN {yes} ELSE {no} END,
       {reasons}::jsonb ->> ({reason})
"""

# The accounts whose shares a ballot of ours speaks for.
ACCOUNTS = """(
    SELECT string_agg(account_masked, ' ' ORDER BY id) FROM meetings_holding holding
    WHERE holding.holder_id = ballot.holder_id AND holding.share_class = ballot.share_class
      AND id >= {first} AND id < {end})"""

# In the order of ids, by which both tables are indexed: no line waits for a sort.
AT_ONCE = "SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off"
PLAIN = """
FROM (
    SELECT vote.choices, vote.seq, {head}
    FROM (SELECT ballot.*, ballot.cast_at AS at, 'LINK' AS channel, {accounts} AS account_masked
          FROM ballots_ballot ballot
          WHERE ballot.id >= {first_ballot} AND ballot.id < {end_ballot}
          ORDER BY ballot.id) vote
    LEFT JOIN meetings_holder holder
           ON holder.id = vote.holder_id AND holder.id >= {first} AND holder.id < {end}
    WHERE NOT EXISTS (SELECT FROM tally_special special WHERE special.holder_id = vote.holder_id)
    ORDER BY vote.id
) vote
CROSS JOIN jsonb_each(vote.choices) part
"""

OTHERS = """
FROM (
    SELECT vote.*, holder.kind, {head}
    FROM (
        SELECT ballot.holder_id, ballot.share_class, ballot.shares,
               date_trunc('milliseconds', ballot.cast_at) AS at, ballot.seq, 0 AS source, ballot.id,
               'LINK' AS channel, ballot.choices, '{{}}'::jsonb AS invalid, NULL AS void,
               {accounts} AS account_masked
        FROM tally_special special CROSS JOIN unnest({class_numbers}) number
        JOIN ballots_ballot ballot ON ballot.id = special.holder_id * 8 + number
        UNION ALL
        SELECT holder_id, share_class, COALESCE(declared, shares),
               date_trunc('milliseconds', voted_at), seq, 1, id, channel, choices, invalid,
               CASE WHEN effect <> 'COUNTS' THEN reasons[1] END, account_masked
        FROM ballots_othervote WHERE id >= {first} AND id < {end}
    ) vote
    LEFT JOIN meetings_holder holder
           ON holder.id = vote.holder_id AND holder.id >= {first} AND holder.id < {end}
) vote
LEFT JOIN tally_effective effective
       ON (effective.holder_id, effective.share_class) = (vote.holder_id, vote.share_class)
LEFT JOIN LATERAL jsonb_each(vote.choices) part ON true
ORDER BY vote.holder_id, vote.share_class, vote.at, vote.seq, vote.source, vote.id, part.key
"""
WHY_NOT = """
CASE WHEN vote.void IS NOT NULL THEN vote.void
     WHEN vote.invalid ? part.key THEN vote.invalid ->> part.key
     WHEN EXISTS (
         SELECT FROM tally_vote before
         WHERE (before.holder_id, before.share_class) = (vote.holder_id, vote.share_class)
           AND (before.at, before.seq, before.source, before.id)
               < (vote.at, vote.seq, vote.source, vote.id)
           AND {beaten}) THEN 'SUPERSEDED'
     WHEN vote.kind = 'V' THEN 'NO_VOTES'
     WHEN part.key = ANY (effective.recused) THEN 'RECUSED'
     WHEN part.key IS NOT NULL AND effective.choices -> part.key IS DISTINCT FROM part.value
         THEN 'EXCLUSIVE'
END
"""


def detail_lines(meeting_id: int) -> Iterator[bytes]:
    """The list of a closed meeting as CSV (UTF-8 with BOM), in blocks, names and accounts masked.

    One transaction for as long as it is read; whoever stops reading ends it.
    """
    yield head_line(COLUMNS)
    with transaction.atomic():
        votes = Votes(read_agenda(meeting_id))
        votes.find_special()
        with connection.cursor() as cursor:
            cursor.execute(AT_ONCE)
        yield from copied(_query(votes, PLAIN, reason="NULL::text"))
        with connection.cursor() as cursor:
            cursor.execute("RESET enable_sort; RESET enable_hashjoin")
        votes.decide()
        yield from copied(_query(votes, OTHERS, reason=WHY_NOT))


def _query(votes: Votes, source: str, *, reason: str) -> sql.Composed:
    agenda = votes.agenda
    first, end = ids.holder_range(agenda.meeting_id)
    first_ballot, end_ballot = ids.ballot_range(agenda.meeting_id)
    bounds = {"first": sql.Literal(first), "end": sql.Literal(end)}
    reasons = {name: flag_name(name) for name in REASONS} | {"SUPERSEDED": _("重复表决")}
    source = source.replace("{head}", HEAD)
    return sql.SQL(f"COPY ({LINE}{source}) TO STDOUT (FORMAT csv)").format(
        **bounds,
        first_ballot=sql.Literal(first_ballot),
        end_ballot=sql.Literal(end_ballot),
        accounts=sql.SQL(ACCOUNTS).format(**bounds),
        class_numbers=sql.Literal([c.number for c in agenda.share_classes]),
        index_mask=sql.Literal(ids.MAX_INDEX),
        harmless_name=defused_column("holder.name_masked"),
        harmless_account=defused_column("vote.account_masked"),
        classes=sql.Literal(Jsonb({str(c.number): c.label for c in agenda.share_classes})),
        channels=sql.Literal(Jsonb(channel_names())),
        opinions=sql.Literal(Jsonb({opinion.value: str(opinion.label) for opinion in Opinion})),
        reasons=sql.Literal(Jsonb(reasons)),
        reason=sql.SQL(reason).format(beaten=sql.SQL(votes.scope.beaten)),
        zone=sql.Literal(str(BEIJING)),
        nothing=sql.Literal(_("出席,未表决")),
        yes=sql.Literal(_("是")),
        no=sql.Literal(_("否")),
    )
