"""Taking in the votes of other channels (导入投票): a file whole or not at all, after the close.

The file is staged, checked and only then judged vote by vote, in batches, so that memory is flat in
its length. What a vote breaks is stored beside it; nothing is left out for breaking a rule.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from ballots.flags import Judgement, Standing, judge_vote
from ballots.log.others import log_votes
from ballots.models import Channel, OtherVote, TallyRequest, VoteImport
from ballots.vote_faults import Fault, Faults
from ballots.vote_files import FileVote, VoteFile
from meetings import journal
from meetings.agenda import Agenda, read_agenda
from meetings.keys import meeting_key
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, MeetingKey
from meetings.register.reading import fingerprint
from meetings.register.records import account_index
from voting_portal.common import ids
from voting_portal.common.masking import mask_account

BATCH = 5_000

STAGING = """
CREATE TEMPORARY TABLE vote_staging (
    place integer, account bytea, account_masked text, share_class smallint,
    voted_at timestamptz, seq bigint, declared bigint, choices jsonb, "row" integer
) ON COMMIT DROP
"""
STAGE = "COPY vote_staging FROM STDIN"
# A number belongs to one vote of its channel; on site, where nobody keeps one, it may be blank.
REPEATED = """
SELECT "row", seq FROM (
    SELECT "row", seq, count(*) OVER (PARTITION BY seq ORDER BY place) AS nth FROM vote_staging
) staged
WHERE nth > 1 OR (%(channel)s <> 'ONSITE' AND EXISTS (
    SELECT FROM ballots_othervote vote
    WHERE vote.id >= %(first)s AND vote.id < %(end)s
      AND vote.channel = %(channel)s AND vote.seq = staged.seq
))
ORDER BY "row" LIMIT 1000
"""
STANDINGS = """
SELECT staged.place, staged.account_masked, staged.share_class, staged.voted_at, staged.seq,
       staged.declared, staged.choices, staged."row",
       holder.id, holder.kind, COALESCE(holder.shares[staged.share_class + 1], 0),
       ARRAY(SELECT motion."group" || '.' || lpad(motion.item::text, 2, '0')
             FROM meetings_recusal recusal JOIN meetings_motion motion ON motion.id = motion_id
             WHERE recusal.holder_id = holder.id)
FROM vote_staging staged
LEFT JOIN (SELECT DISTINCT ON (account_index) account_index, holder_id FROM meetings_holding
           WHERE id >= %(first)s AND id < %(end)s
             AND account_index IN (SELECT account FROM vote_staging)
           ORDER BY account_index) holding
       ON holding.account_index = staged.account
LEFT JOIN meetings_holder holder
       ON holder.id = holding.holder_id AND holder.id >= %(first)s AND holder.id < %(end)s
ORDER BY staged.place
"""
STORE = """
COPY ballots_othervote (id, vote_import_id, channel, holder_id, account_masked, share_class, shares,
    declared, choices, invalid, reasons, effect, voted_at, seq, "row") FROM STDIN
"""


class CannotImport(CannotAdvance):
    """Nothing was imported; `message` says why."""

    message = _("投票截止后、计票之前才能导入其他渠道的投票。")


class BadVoteFile(CannotImport):
    """The file does not say what it means; `faults` say where. Nothing of it was taken in."""

    def __init__(self, faults: Faults, *, rows_read: int) -> None:
        bad = len(faults.rows)
        words = {"read": rows_read, "bad": bad, "good": rows_read - bad}
        super().__init__(_("文件未导入：读取%(read)d行 = %(good)d行无误 + %(bad)d行有误。") % words)
        self.faults, self.rows_read = faults, rows_read


@transaction.atomic
def import_votes(
    meeting_id: int,
    file: IO[bytes],
    *,
    file_name: str,
    channel: Channel,
    by: str,
    now: datetime,
) -> VoteImport:
    """Store the votes of a file; the same file again gives the import that is there already.

    CannotImport unless the polls are sealed and nothing is counted yet; BadVoteFile when the file
    cannot be understood. A tally that was asked for must be asked for again.
    """
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    sha256, size = fingerprint(file)
    known = VoteImport.objects.filter(meeting=meeting, channel=channel, sha256=sha256).first()
    if known is not None:
        return known
    if meeting.state != Meeting.State.CLOSED or meeting.polls_sealed_at is None:
        raise CannotImport
    agenda = read_agenda(meeting_id)
    source = VoteFile(file, file_name=file_name, agenda=agenda, channel=channel)
    votes = _stage(meeting_id, source.votes())
    if not source.faults.counts:
        _find_repeated(meeting_id, channel, source.faults)
    if source.faults.counts:
        raise BadVoteFile(source.faults, rows_read=source.rows_read)
    vote_import = VoteImport.objects.create(
        meeting=meeting,
        channel=channel,
        file_name=file_name[-255:],
        file_size=size,
        sha256=sha256,
        rows_read=source.rows_read,
        votes=votes,
        accepted=votes,
        flagged=0,
        imported_by=by,
        imported_at=now,
    )
    _judge_and_store(vote_import, agenda)
    log_votes(vote_import, agenda)
    TallyRequest.objects.filter(meeting=meeting).delete()
    journal.record(
        meeting,
        "votes.imported",
        by=by,
        at=now,
        channel=channel,
        sha256=sha256,
        rows=vote_import.rows_read,
        votes=votes,
    )
    return vote_import


def _stage(meeting_id: int, votes: Iterator[FileVote]) -> int:
    """Copy the votes into a table of this transaction; how many there are."""
    key = meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    place = 0
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS vote_staging")
        cursor.execute(STAGING)
        with cursor.copy(STAGE) as copy:
            for place, vote in enumerate(votes, start=1):
                copy.write_row(
                    (
                        place,
                        account_index(key, vote.account),
                        mask_account(vote.account),
                        vote.share_class,
                        vote.at,
                        vote.seq,
                        vote.declared,
                        json.dumps(vote.choices),
                        vote.row,
                    )
                )
        cursor.execute("ANALYZE vote_staging")
    return place


def _find_repeated(meeting_id: int, channel: Channel, faults: Faults) -> None:
    first, end = ids.holder_range(meeting_id)
    with connection.cursor() as cursor:
        cursor.execute(REPEATED, {"channel": channel, "first": first, "end": end})
        for row, seq in cursor.fetchall():
            faults.rows.add(row)
            faults.add(Fault.of("REPEATED_SEQ", row=row, column="受理序号", value=str(seq)))


def _judge_and_store(vote_import: VoteImport, agenda: Agenda) -> None:
    meeting_id = vote_import.meeting_id
    first, end = ids.holder_range(meeting_id)
    last = OtherVote.objects.of_meeting(meeting_id).order_by("-id").values_list("id", flat=True)
    start = last.first() or first
    reasons: Counter[str] = Counter()
    with connection.connection.cursor(name="staged_votes") as staged:
        staged.execute(STANDINGS, {"first": first, "end": end})
        while batch := list(islice(staged, BATCH)):
            reasons += _store(vote_import, agenda, batch, start=start)
    vote_import.flagged = reasons.total()
    vote_import.accepted = vote_import.votes - vote_import.flagged
    vote_import.reasons = dict(reasons)
    vote_import.save(update_fields=["flagged", "accepted", "reasons"])


def _store(
    vote_import: VoteImport, agenda: Agenda, batch: Sequence[Any], *, start: int
) -> Counter[str]:
    """Judge a batch and copy it to where votes live; how often each first reason was found."""
    channel = Channel(vote_import.channel)
    reasons: Counter[str] = Counter()
    with connection.cursor() as cursor, cursor.copy(STORE) as copy:
        for place, masked, share_class, at, seq, declared, choices, row, *found in batch:
            holder, kind, shares, recused = found
            standing = Standing(holder, kind, shares, frozenset(recused)) if holder else None
            judged: Judgement = judge_vote(
                agenda=agenda,
                channel=channel,
                share_class=share_class,
                at=at,
                declared=declared,
                choices=json.loads(choices),
                standing=standing,
            )
            reasons.update(judged.reasons[:1])
            copy.write_row(
                (
                    start + place,
                    vote_import.pk,
                    channel.value,
                    holder,
                    masked,
                    share_class,
                    shares if holder else 0,
                    declared,
                    choices,
                    json.dumps(dict(judged.invalid)),
                    list(judged.reasons),
                    judged.effect.value,
                    at,
                    seq,
                    row,
                )
            )
    return reasons
