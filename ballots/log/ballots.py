"""Ballots in the log: their records, as casting commits to them and as they are opened again.

The database's clock and sequence end a record, so the casting statement hashes what is made here
together with what only it knows.
"""

from __future__ import annotations

from django.conf import settings

from ballots.log import commitment, records
from ballots.log.commitment import Kind
from ballots.models import Ballot
from meetings.agenda import Agenda
from voting_portal.common import ids


def origin_of(meeting_id: int) -> str:
    """The name of a meeting's log."""
    return f"{settings.LOG_NAME}/m/{meeting_id}"


def opening_of(ballot: Ballot, agenda: Agenda) -> bytes:
    """What is hashed before the time and the number: tag, salt and the record's beginning."""
    salt = commitment.salt_of(agenda.meeting_id, Kind.BALLOT, ballot.pk)
    return commitment.TAG + salt + _beginning(ballot, agenda)


def salt_and_record(ballot: Ballot, agenda: Agenda) -> tuple[bytes, bytes]:
    """What opens the commitment of a ballot in the books."""
    salt = commitment.salt_of(agenda.meeting_id, Kind.BALLOT, ballot.pk)
    return salt, _beginning(ballot, agenda) + records.ballot_ending(ballot.cast_at, ballot.seq)


def ballot_ending_in_sql() -> str:
    """The arguments of SQL's format() that write `records.ballot_ending` of `now` and `seq`."""
    at = f"to_char(now AT TIME ZONE 'UTC', '{records.SQL_TIME}')"
    return f"E'cast %%s\\nseq %%s\\n', {at}, seq"


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
