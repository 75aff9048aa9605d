"""The beginning of a log: the root of the register, bound before anybody can vote.

From the invitation on neither register nor agenda changes, so their hashes are the first leaf and
stand in the checkpoint that is published before the polls open.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

from django.db import connection, transaction

from ballots.log import records
from ballots.log.ballots import origin_of
from ballots.log.commitment import Kind, commit, entry, salt_of, salt_subject
from ballots.log.growing import Growth
from ballots.log.models import MeetingLog
from ballots.log.tree import Tree, leaf_hash
from meetings import agenda_text
from meetings.agenda import Agenda, read_agenda
from meetings.keys import meeting_key
from meetings.log_keys import newest_log_key
from meetings.models import Meeting, MeetingKey
from voting_portal.common import ids, locks
from voting_portal.common.sealing import blind_indexes

log = logging.getLogger(__name__)

FETCHED = 10_000  # holders at a time
NOT_BEGUN = (
    *(Meeting.State.DRAFT, Meeting.State.REGISTER_LOADED, Meeting.State.MOTIONS_CONFIRMED),
    *(Meeting.State.POSTPONED, Meeting.State.CANCELLED),
)


def start_due() -> int:
    """Start the log of every meeting whose holders are invited; how many were started.

    One process does it at a time; another one finds nothing due.
    """
    due = MeetingKey.objects.filter(
        purpose=MeetingKey.Purpose.LOG, meeting__ballot_log__isnull=True
    ).exclude(meeting__state__in=NOT_BEGUN)
    return sum(start_log(meeting) for meeting in due.values_list("meeting_id", flat=True))


@transaction.atomic
def start_log(meeting_id: int) -> bool:
    """Write a log's first leaf and sign it; False when it has begun or another process is at it."""
    if not locks.try_to_hold(locks.LOG_START, meeting_id):
        return False
    if MeetingLog.objects.filter(pk=meeting_id).exists():
        return False
    agenda, origin = read_agenda(meeting_id), origin_of(meeting_id)
    register = Tree()
    for salt, record in register_openings(agenda):
        register.append(leaf_hash(entry(Kind.HOLDER, commit(salt, record))))
    started = MeetingLog(
        meeting_id=meeting_id,
        origin=origin,
        agenda=agenda_text.written(agenda),
        holders=register.size,
        register_root=register.root(),
        size=0,
        frontier=b"",
        key=newest_log_key().number,
    )
    growth = Growth(started)
    growth.add(Kind.START, meeting_id, commit(*start_opening(started, agenda.fingerprint)))
    growth.sign()
    started.save(force_insert=True)
    growth.write()
    log.info("log of meeting %s started", meeting_id)
    return True


def start_opening(started: MeetingLog, agenda: bytes) -> tuple[bytes, bytes]:
    """Salt and record of the first leaf; `agenda` is the hash of the agenda's text."""
    record = records.start(
        started.origin,
        agenda=agenda,
        holders=started.holders,
        register_root=bytes(started.register_root),
    )
    return salt_of(started.meeting_id, Kind.START, started.meeting_id), record


def start_text(started: MeetingLog) -> str:
    """The first leaf as it opens: its salt as hex, a line feed, its record."""
    salt, record = start_opening(started, hashlib.sha256(started.agenda).digest())
    return f"{salt.hex()}\n{record.decode()}"


def register_openings(agenda: Agenda) -> Iterator[tuple[bytes, bytes]]:
    """Salt and record of every holder of the register, in its order; needs a transaction.

    Memory is flat in the number of holders.
    """
    meeting_id, origin = agenda.meeting_id, origin_of(agenda.meeting_id)
    key = meeting_key(meeting_id, MeetingKey.Purpose.LOG)
    codes = [share_class.code for share_class in agenda.share_classes]
    with connection.connection.cursor(name="register_of_log") as cursor:
        cursor.execute(
            "SELECT id, kind, shares FROM meetings_holder WHERE id >= %s AND id < %s ORDER BY id",
            ids.holder_range(meeting_id),
        )
        while rows := cursor.fetchmany(FETCHED):
            voters = blind_indexes(key, [holder.to_bytes(8) for holder, _kind, _shares in rows])
            salts = blind_indexes(key, [salt_subject(Kind.HOLDER, row[0]) for row in rows])
            for (_id, kind, shares), voter, salt in zip(rows, voters, salts, strict=True):
                held = list(zip(codes, shares, strict=False))
                yield salt, records.holder(origin, voter=voter.hex(), kind=kind, shares=held)
