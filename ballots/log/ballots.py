"""Ballots in the log: their records, as casting commits to them and as they are opened again.

The database's clock and sequence end a record; casting asks them as it comes in to the polls.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from ballots.log import commitment, records
from ballots.log.commitment import Kind
from ballots.models import Ballot
from meetings.agenda import Agenda
from meetings.keys import meeting_key
from meetings.models import MeetingKey
from voting_portal.common import ids
from voting_portal.common.sealing import blind_indexes

COLUMNS = "id", "holder_id", "share_class", "shares", "choices", "level", "cast_at", "seq"

Opening = tuple[bytes, bytes]  # salt and record


def origin_of(meeting_id: int) -> str:
    """The name of a meeting's log."""
    return f"{settings.LOG_NAME}/m/{meeting_id}"


def commitment_of(ballot: Ballot, agenda: Agenda) -> bytes:
    """The commitment to a ballot that is about to be cast, with its time and number."""
    return commitment.commit(*salt_and_record(ballot, agenda))


def salt_and_record(ballot: Ballot, agenda: Agenda) -> tuple[bytes, bytes]:
    """What opens the commitment of a ballot."""
    salt = commitment.salt_of(agenda.meeting_id, Kind.BALLOT, ballot.pk)
    return salt, _beginning(ballot, agenda) + records.ballot_ending(ballot.cast_at, ballot.seq)


def openings_of(subjects: Sequence[int], agenda: Agenda) -> dict[int, Opening]:
    """What opens the commitments of these ballots, by their ids; as fast as a bundle needs it."""
    key = meeting_key(agenda.meeting_id, MeetingKey.Purpose.LOG)
    rows = list(Ballot.objects.filter(pk__in=subjects).values_list(*COLUMNS))
    salts = blind_indexes(key, [commitment.salt_subject(Kind.BALLOT, row[0]) for row in rows])
    voters = blind_indexes(key, [row[1].to_bytes(8) for row in rows])
    origin, codes = origin_of(agenda.meeting_id), [c.code for c in agenda.share_classes]
    found = {}
    for row, salt, voter in zip(rows, salts, voters, strict=True):
        subject, _holder, share_class, shares, choices, level, cast_at, seq = row
        beginning = records.ballot_opening(
            origin,
            agenda=agenda.fingerprint,
            voter=voter.hex(),
            share_class=codes[share_class],
            shares=shares,
            choices=choices,
            level=level,
        )
        found[subject] = salt, beginning + records.ballot_ending(cast_at, seq)
    return found


def _beginning(ballot: Ballot, agenda: Agenda) -> bytes:
    meeting_id = ids.meeting_of(ballot.holder_id)
    return records.ballot_opening(
        origin_of(meeting_id),
        agenda=agenda.fingerprint,
        voter=commitment.pseudonym(ballot.holder_id, meeting_id),
        share_class=agenda.share_classes[ballot.share_class].code,
        shares=ballot.shares,
        choices=ballot.choices,
        level=ballot.level,
    )
