"""Casting a ballot (投票): the one way a vote gets into the books.

One transaction: come in under the polls' shared lock and take the time and a number from the
database, then one statement that inserts the ballot, with its commitment, and its entry in the
queue of the ballot log. The primary key decides between two that race, the database's clock about
the window, and a ballot that waited behind the seal is refused, not slipped into a finished tally.
"""

from __future__ import annotations

import json
from datetime import datetime

from django.db import connection, transaction

from ballots.entitlement import Entitlement
from ballots.log.ballots import commitment_of
from ballots.log.commitment import Kind
from ballots.models import Ballot
from ballots.rules import (
    AlreadyCast,
    CannotCast,
    Choices,
    NotTaken,
    NotVerified,
    NoVotes,
    RecusedOnly,
    TooEarly,
    TooLate,
    check_choices,
    normal_choices,
)
from meetings import polls
from meetings.agenda import Agenda
from meetings.models import Holder, Meeting
from voting_portal.common import ids

SEQUENCE = "ballots_accept_seq"
CAST = f"""
WITH ballot AS (
    INSERT INTO ballots_ballot
        (id, holder_id, share_class, shares, choices, level, cast_at, seq, commitment)
    SELECT %(id)s, %(holder)s, %(share_class)s, %(shares)s, %(choices)s, %(level)s, %(now)s,
           %(seq)s, %(commitment)s
    FROM meetings_meeting meeting
    WHERE meeting.id = %(meeting)s
      AND meeting.state IN ('INVITED', 'OPEN')
      AND meeting.polls_sealed_at IS NULL
      AND %(now)s BETWEEN meeting.polls_open_at AND meeting.polls_close_at
      AND (meeting.is_rehearsal OR NOT %(is_replayed)s)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
INSERT INTO ballots_queuedentry (meeting_id, kind, subject, commitment)
SELECT %(meeting)s, {Kind.BALLOT:d}, id, %(commitment)s FROM ballot
"""  # noqa: S608 - names of our own


def cast_ballot(
    *,
    entitlement: Entitlement,
    agenda: Agenda,
    share_class: int,
    choices: Choices,
    level: int,
    declared: int | None = None,
    at: datetime | None = None,
    seq: int | None = None,
) -> Ballot:
    """Record the holder's choices with all shares of one class, or raise CannotCast.

    `share_class` is the class's number, `level` how well the holder was verified, `declared` the
    shares that a nominee was entrusted with. `at` and `seq` replay a vote of a rehearsal at its own
    time and place; on a page they are None, and the database's clock and sequence decide.
    Refusals in the order in which they are judged: TooEarly, TooLate or NotTaken, NotVerified,
    NoVotes, RecusedOnly, AlreadyCast (with the ballot that stands), BadBallot.
    """
    try:
        if level < entitlement.level_needed(agenda):
            raise NotVerified
        _judge(entitlement, agenda, share_class, choices, declared)
    except CannotCast:
        _ask_the_clock(agenda.meeting_id, at)  # a ballot out of time is that before all else
        raise
    holder = entitlement.holder
    ballot = Ballot(
        id=ids.ballot_id(holder.pk, share_class),
        holder_id=holder.pk,
        share_class=share_class,
        shares=holder.shares_of(share_class) if declared is None else declared,
        choices=normal_choices(choices),
        level=level,
    )
    with transaction.atomic():
        now, number = polls.enter(agenda.meeting_id, sequence=SEQUENCE)
        ballot.cast_at, ballot.seq = at or now, number if seq is None else seq
        ballot.commitment = commitment_of(ballot, agenda)
        _insert(ballot, agenda.meeting_id, at)
    return ballot


def _judge(
    entitlement: Entitlement,
    agenda: Agenda,
    share_class: int,
    choices: Choices,
    declared: int | None,
) -> None:
    """Raise what the holder, the ballots already cast and the choices themselves forbid."""
    holder, paper = entitlement.holder, agenda.share_classes[share_class]
    shares, motions = holder.shares_of(share_class), agenda.votable(paper)
    if not shares or not motions or holder.kind == Holder.Kind.VOTELESS:
        raise NoVotes
    if all(motion.number in entitlement.recused for motion in motions):
        raise RecusedOnly
    if share_class in entitlement.cast:
        raise AlreadyCast(entitlement.cast[share_class])
    check_choices(
        motions=motions,
        shares=shares,
        votes_per_share=paper.votes_per_share,
        recused=entitlement.recused,
        choices=choices,
        policies=agenda.policies,
        is_nominee=holder.kind == Holder.Kind.NOMINEE,
        declared=declared,
    )


def _insert(ballot: Ballot, meeting_id: int, at: datetime | None) -> None:
    """Put the ballot in the books, or raise why it did not get in."""
    values: dict[str, str | int | bytes | datetime] = {
        "id": ballot.pk,
        "holder": ballot.holder_id,
        "share_class": ballot.share_class,
        "shares": ballot.shares,
        "choices": json.dumps(ballot.choices),
        "level": ballot.level,
        "commitment": bytes(ballot.commitment),
        "meeting": meeting_id,
        "now": ballot.cast_at,
        "seq": ballot.seq,
        "is_replayed": at is not None,
    }
    with connection.cursor() as cursor:
        cursor.execute(CAST, values)
        is_in = cursor.rowcount == 1
    if not is_in:
        first = Ballot.objects.filter(pk=ballot.pk).first()
        if first is not None:
            raise AlreadyCast(first)
        _ask_the_clock(meeting_id, at)
        raise NotTaken


def _ask_the_clock(meeting_id: int, at: datetime | None) -> None:
    """Raise TooEarly, TooLate or NotTaken when the polls are not open."""
    meeting = Meeting.objects.get(pk=meeting_id)
    now = at or polls.database_time()
    if now < meeting.polls_open_at:
        raise TooEarly
    if now > meeting.polls_close_at or meeting.polls_sealed_at is not None:
        raise TooLate
    if not meeting.polls_are_open(at=now):
        raise NotTaken
