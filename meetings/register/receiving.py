"""Receiving a register's file (接收名册): kept in sealed parts until a worker has loaded it.

Neither a temporary file nor a disk of the web server's own ever holds it: each part is sealed under
the meeting's RECORDS key as it arrives and goes into a table, so any worker can load it. Progress
is told through a connection of its own, since the load's transaction shows nothing until it ends.
"""

from __future__ import annotations

import hashlib
import io
import time
from datetime import date, datetime
from types import TracebackType
from typing import Any, cast

from django.conf import settings
from django.db import connection, transaction

from meetings import journal
from meetings.keys import meeting_key
from meetings.models import MeetingKey, Register, RegisterPart
from meetings.register import filling
from meetings.register.filling import AlreadyInvited
from meetings.register.findings import Finding
from meetings.register.intake import Report
from voting_portal.common import locks, sealing

PART_BYTES = 4 << 20
# A file that ends its worker each time is given up, so that it does not hold up the others.
MOST_TRIES = 5
PROGRESS_SECONDS = 1.0


class IncomingFile:
    """A file as it arrives, sealed part by part; within the transaction that receives it."""

    def __init__(self, meeting_id: int) -> None:
        self.register_id = filling.reserve_id()
        self.size = 0
        self._key = meeting_key(meeting_id, MeetingKey.Purpose.RECORDS)
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._parts = 0

    def write(self, block: bytes) -> None:
        self._digest.update(block)
        self.size += len(block)
        self._waiting += block
        while len(self._waiting) >= PART_BYTES:
            self._keep(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]

    def finish(self) -> None:
        """Keep the last part."""
        if self._waiting:
            self._keep(bytes(self._waiting))
            self._waiting.clear()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def _keep(self, part: bytes) -> None:
        context = _part_context(self.register_id, self._parts)
        # The register's own row follows at the end: foreign keys are looked at on commit.
        RegisterPart.objects.create(
            register_id=self.register_id,
            number=self._parts,
            sealed=sealing.seal(
                self._key, part, context=context, algorithm=settings.SEALING_ALGORITHM
            ),
        )
        self._parts += 1


@transaction.atomic
def receive_register(
    meeting_id: int,
    file: IncomingFile,
    *,
    file_name: str,
    stated_holders: int | None = None,
    stated_shares: int | None = None,
    stated_record_date: date | None = None,
    by: str,
    now: datetime,
) -> Register:
    """Note a file that has arrived; a worker checks and loads it (`load_next`).

    AlreadyInvited when the meeting's register can no longer change.
    """
    meeting = filling.changeable_meeting(meeting_id)
    register = Register.objects.create(
        pk=file.register_id,
        meeting=meeting,
        version=filling.next_version(meeting_id),
        state=Register.State.RECEIVED,
        file_name=file_name[-255:],
        file_size=file.size,
        sha256=file.sha256,
        stated_accounts=stated_holders,
        stated_shares=stated_shares,
        stated_record_date=stated_record_date,
        uploaded_by=by,
        uploaded_at=now,
    )
    journal.record(
        meeting,
        "register.received",
        by=by,
        at=now,
        version=register.version,
        sha256=register.sha256,
        size=register.file_size,
    )
    return register


def load_next(*, now: datetime) -> bool:
    """Load the register that has waited longest and that nobody else is loading.

    False when there is none. A worker that dies leaves everything as it was, for the next round.
    """
    waiting = (
        Register.objects.filter(state=Register.State.RECEIVED)
        .order_by("id")
        .values_list("pk", "meeting_id")
    )
    for register_id, meeting_id in waiting:
        with transaction.atomic():
            # The lock ends with the transaction, however that ends: it is the worker's claim.
            if locks.try_to_hold(locks.REGISTER, meeting_id):
                found = Register.objects.select_related("meeting__issuer").filter(
                    pk=register_id, state=Register.State.RECEIVED
                )
                if (register := found.first()) is not None:
                    _load(register, now=now)
                    return True
    return False


def _load(register: Register, *, now: datetime) -> None:
    with _SideLine(register) as line:
        report = Report()
        try:
            filling.changeable_meeting(register.meeting_id)
        except AlreadyInvited:
            report.findings.add([Finding("AFTER_INVITATION")])
        else:
            if line.note_try() > MOST_TRIES:
                report.findings.add([Finding("CANNOT_LOAD")])
            else:
                file = cast("Any", io.BufferedReader(line, PART_BYTES))
                report = filling.fill_tables(register, file, progress=line.note_progress)
    filling.note_report(register, report)
    register.parts.all().delete()
    register.save(update_fields=filling.REPORTED)
    filling.journal_report(register, report, now=now)


class _SideLine(io.RawIOBase):
    """A received file to read and seek in, and the register's progress to write down.

    On a second connection: the first one is busy copying rows, and what it writes stays unseen.
    """

    def __init__(self, register: Register) -> None:
        super().__init__()
        self._register = register
        self._key = meeting_key(register.meeting_id, MeetingKey.Purpose.RECORDS)
        self._connection = connection.copy()
        self._at = 0
        self._part: tuple[int, bytes] = (-1, b"")
        self._told_at = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        super().__exit__(kind, error, trace)

    def note_try(self) -> int:
        """Count one more try to load the register; returns which one it is."""
        return int(self._ask("tries = tries + 1, progress = 0", "tries")[0])

    def note_progress(self, part: float) -> None:
        """Tell every second how much was read, from 0 to 1."""
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self._ask(f"progress = {min(100, int(part * 100))}", "progress")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._register.file_size}
        self._at = max(0, start[whence] + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As much as is left of the part that the position is in."""
        if self._at >= self._register.file_size:
            return 0
        number, offset = divmod(self._at, PART_BYTES)
        if self._part[0] != number:
            self._part = number, self._open_part(number)
        found = self._part[1][offset : offset + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _open_part(self, number: int) -> bytes:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT sealed FROM meetings_registerpart WHERE register_id = %s AND number = %s",
                [self._register.pk, number],
            )
            ((sealed,),) = cursor.fetchall()
        context = _part_context(self._register.pk, number)
        return sealing.open_sealed(self._key, bytes(sealed), context=context)

    def _ask(self, change: str, answer: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE meetings_register SET {change} WHERE id = %s RETURNING {answer}",  # noqa: S608
                [self._register.pk],
            )
            return cursor.fetchone()


def _part_context(register_id: int, number: int) -> bytes:
    return b"register %d part %d" % (register_id, number)
