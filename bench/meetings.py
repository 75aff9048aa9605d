"""Meetings to measure with, filled by set-based SQL because only what comes after is timed."""

from __future__ import annotations

import itertools
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from ballots.models import OtherVote
from meetings import live
from meetings.models import Issuer, Meeting, Motion, ShareClass
from meetings.preparing import prepare_meeting

MOTIONS = 20
_codes = itertools.count(601_000)

HOLDERS = """
INSERT INTO meetings_holder
    (id, kind, name_masked, phone_masked, shares, person_index, phone_index, sealed)
SELECT %(meeting)s::bigint << 28 | number, 'I', '张*三', '154****0001',
       ARRAY[100 * (1 + number %% 977)::bigint],
       sha256(number::text::bytea), NULL, ''
FROM generate_series(1, %(rows)s) number
"""

BALLOTS = """
INSERT INTO ballots_ballot
    (id, holder_id, share_class, shares, choices, level, commitment, cast_at)
SELECT holder.id << 3, holder.id, 0, holder.shares[1], paper.choices, 1,
       sha256(holder.id::text::bytea), now()
FROM meetings_holder holder,
     (SELECT variant, jsonb_object_agg(
             motion || '.00',
             (ARRAY['FOR', 'FOR', 'AGAINST', 'ABSTAIN'])[1 + (motion * 7 + variant * 13) %% 4]
         ) AS choices
      FROM generate_series(1, %(motions)s) motion, generate_series(0, 96) variant
      GROUP BY variant) paper
WHERE holder.id >= %(meeting)s::bigint << 28 AND holder.id < (%(meeting)s::bigint + 1) << 28
  AND paper.variant = holder.id %% 97
"""

OTHER_VOTES = """
INSERT INTO ballots_othervote
    (id, vote_import_id, channel, holder_id, account_masked, share_class, shares, choices, invalid,
     reasons, effect, voted_at, seq, "row")
SELECT holder.id, 0, 'TRADING', holder.id, 'A*****0001', 0, holder.shares[1],
       jsonb_build_object('1.00', 'AGAINST', '2.00', 'FOR', '3.00', 'FOR'), '{}',
       '{}', 'COUNTS', now() - interval '10 minutes' * (holder.id %% 2), holder.id, 1
FROM meetings_holder holder
WHERE holder.id >= %(meeting)s::bigint << 28 AND holder.id < (%(meeting)s::bigint + 1) << 28
  AND holder.id %% %(every)s = 0
"""


def make_meeting(holders: int) -> Meeting:
    """An open rehearsal with twenty plain motions and so many holders of A shares."""
    now = timezone.now()
    issuer = Issuer.objects.create(
        security_code=str(next(_codes)), name="基准股份有限公司", short_name="基准"
    )
    meeting = Meeting.objects.create(
        issuer=issuer,
        title="2026年第一次临时股东会",
        meeting_date=now.date(),
        record_date=now.date(),
        polls_open_at=now - timedelta(hours=1),
        polls_close_at=now + timedelta(hours=1),
        is_rehearsal=True,
        state=Meeting.State.OPEN,
    )
    ShareClass.objects.create(meeting=meeting, number=0, code="A", capital=10**12)
    Motion.objects.bulk_create(
        Motion(meeting=meeting, group=group, title=f"关于第{group}项事项的议案")
        for group in range(1, MOTIONS + 1)
    )
    prepare_meeting(meeting, by="system:bench", now=now)
    _run(HOLDERS, meeting=meeting.pk, rows=holders)
    _run("ANALYZE meetings_holder")
    live.forget()
    return meeting


def cast_all(meeting: Meeting) -> None:
    """A ballot of every holder, in 97 different patterns."""
    _run(BALLOTS, meeting=meeting.pk, motions=MOTIONS)
    _run("ANALYZE ballots_ballot")


def seal(meeting: Meeting) -> None:
    """Close the polls: before that nothing is counted."""
    now = timezone.now()
    Meeting.objects.filter(pk=meeting.pk).update(state="CLOSED", polls_sealed_at=now)


def vote_elsewhere(meeting: Meeting, *, every: int) -> int:
    """Every so many holders voted on three motions at the trading terminal, half of them first; and
    every count of the rules is asked for. How many they are."""
    meeting.motions.update(is_for_minority_count=True, is_dividend=True)
    Meeting.objects.filter(pk=meeting.pk).update(closing_price=10)
    _run(OTHER_VOTES, meeting=meeting.pk, every=every)
    _run("ANALYZE ballots_othervote")
    return OtherVote.objects.of_meeting(meeting.pk).count()


def _run(statement: str, **values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
