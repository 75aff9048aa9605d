"""Votes of other channels in the log: each as its file has it, with what it was judged to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ballots.log import commitment, records, sequencer
from ballots.log.ballots import origin_of
from ballots.log.commitment import Kind
from ballots.models import OtherVote, OtherVoteQuerySet, VoteImport
from meetings.agenda import Agenda

FETCHED = 5_000  # votes at a time

Openings = dict[int, tuple[bytes, bytes]]  # salt and record


def log_votes(vote_import: VoteImport, agenda: Agenda) -> None:
    """Promise every vote of an imported file to the log, in the transaction of its import."""
    votes = OtherVote.objects.of_meeting(agenda.meeting_id).filter(vote_import=vote_import)
    sequencer.queue(agenda.meeting_id, _entries(votes.order_by("id"), vote_import, agenda))


def salt_and_record(vote: OtherVote, *, sha256: str, agenda: Agenda) -> tuple[bytes, bytes]:
    """What opens the commitment of a vote; `sha256` is that of its file."""
    meeting_id = agenda.meeting_id
    voter = commitment.pseudonym(vote.holder_id, meeting_id) if vote.holder_id else None
    record = records.other(
        origin_of(meeting_id),
        sha256=sha256,
        channel=vote.channel,
        row=vote.row,
        voter=voter,
        share_class=agenda.share_classes[vote.share_class].code,
        shares=vote.shares,
        declared=vote.declared,
        choices=vote.choices,
        at=vote.voted_at,
        seq=vote.seq,
        effect=vote.effect,
        reasons=vote.reasons,
        invalid=vote.invalid,
    )
    return commitment.salt_of(meeting_id, Kind.OTHER, vote.pk), record


def openings_of(subjects: Sequence[int], *, sha256: Mapping[int, str], agenda: Agenda) -> Openings:
    """What opens the commitments of these votes, by their ids; `sha256` by their imports."""
    found = OtherVote.objects.filter(pk__in=subjects)
    return {
        vote.pk: salt_and_record(vote, sha256=sha256[vote.vote_import_id], agenda=agenda)
        for vote in found
    }


def _entries(
    votes: OtherVoteQuerySet, vote_import: VoteImport, agenda: Agenda
) -> Iterator[sequencer.Entry]:
    for vote in votes.iterator(FETCHED):
        salt, record = salt_and_record(vote, sha256=vote_import.sha256, agenda=agenda)
        yield Kind.OTHER, vote.pk, commitment.commit(salt, record)
