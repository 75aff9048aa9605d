"""Which key signs a log from where to where, and the leaf by which one hands over to the next."""

from __future__ import annotations

from dataclasses import dataclass

from ballots.log import records
from ballots.log.commitment import Kind, salt_of
from ballots.log.models import Checkpoint, MeetingLog
from ballots.log.notes import NoteKey
from meetings.keys import KeyDestroyed
from meetings.log_keys import LogSigner, log_signer, newest_log_key
from meetings.models import LogKey
from voting_portal.common import ids

_NUMBER_BITS = 16


@dataclass(frozen=True)
class Reign:
    """A key of a log: it signs the checkpoints of these sizes, both included."""

    key: NoteKey
    first: int
    last: int | None  # None for the one that the log is at


def note_key(row: LogKey) -> NoteKey:
    return NoteKey(row.name, bytes(row.public))


def all_keys() -> dict[int, NoteKey]:
    """The public halves of all keys of this installation, by their numbers."""
    return {row.number: note_key(row) for row in LogKey.objects.order_by("number")}


def signer_of(meeting_id: int) -> LogSigner:
    """What signs for a meeting now: the key that its log is at, the newest before it begins."""
    try:
        return log_signer(_number_now(meeting_id))
    except KeyDestroyed:  # retired between the two questions, after the log had gone over
        return log_signer(_number_now(meeting_id))


def reigns_of(meeting_id: int) -> list[Reign]:
    """The keys of a log that has begun, in their order."""
    checkpoints = Checkpoint.objects.of_meeting(meeting_id)
    first = checkpoints.get(pk=ids.leaf_id(meeting_id, 0))
    handed_over = list(checkpoints.filter(next_key__isnull=False).order_by("id"))
    known = all_keys()  # asked last: it has every key that a checkpoint names
    numbers = [first.key, *(both.next_key for both in handed_over if both.next_key)]
    sizes = [1, *(both.size for both in handed_over)]
    return [
        Reign(known[number], size, last)
        for number, size, last in zip(numbers, sizes, [*sizes[1:], None], strict=True)
    ]


def subject_of(old: int, new: int) -> int:
    """What a leaf is about by which one key hands over to another: both numbers."""
    return old << _NUMBER_BITS | new


def numbers_of(subject: int) -> tuple[int, int]:
    """The numbers of the keys in a leaf's subject: the old one, the new one."""
    return subject >> _NUMBER_BITS, subject & (1 << _NUMBER_BITS) - 1


def key_opening(started: MeetingLog, subject: int) -> tuple[bytes, bytes]:
    """Salt and record of such a leaf."""
    old, new = numbers_of(subject)
    rows = LogKey.objects.in_bulk([old, new], field_name="number")
    record = records.key(
        started.origin,
        old=note_key(rows[old]).vkey,
        new=note_key(rows[new]).vkey,
        at=rows[new].made_at,
    )
    return salt_of(started.meeting_id, Kind.KEY, subject), record


def _number_now(meeting_id: int) -> int:
    number = MeetingLog.objects.filter(pk=meeting_id).values_list("key", flat=True).first()
    return number or newest_log_key().number
