"""Deleting the personal data of a meeting, stage by stage, so that it can be killed at any moment.

    ASKED -> EXPORTED -> KEYS_DESTROYED -> DROPPED -> DONE

A stage is noted when all of it is on the disk; an interrupted one is done again, which is harmless:
an archive is written anew as long as nothing is destroyed, a destroyed key stays destroyed, a
dropped table is not there. Keys end only after the archive was verified and has been read again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import OperationalError, transaction

from ballots.log import notes
from ballots.log.keys import signer_of
from meetings import journal, keys
from meetings.models import Meeting, MeetingKey
from retention import archive, asking, contents
from retention.models import TIMER, Purge
from voting_portal.common import locks

log = logging.getLogger(__name__)
Stage = Purge.Stage


class CannotGoOn(Exception):
    """The purge stays at its stage; the text says why, without personal data."""


def purge_all(*, clock: Callable[[], datetime]) -> int:
    """Ask for what is due and carry out whatever may begin; how many meetings are done with.

    One that cannot go on says why in its row, and the others go on without it.
    """
    asking.ask_due(now=clock())
    begun = Purge.objects.exclude(stage=Stage.DONE).order_by("asked_at", "id")
    done = 0
    for purge in begun:
        if not purge.may_begin:
            continue
        try:
            done += carry_out(purge.meeting_id, clock=clock)
        except (CannotGoOn, asking.CannotPurge, archive.BadArchive, keys.KeyDestroyed) as refusal:
            log.error("purge of meeting %s stands: %s", purge.meeting_id, refusal)
            Purge.objects.filter(pk=purge.pk).update(problem=str(refusal)[:300])
        except OperationalError:
            log.warning("purge of meeting %s waits for others that read", purge.meeting_id)
    return done


def carry_out(meeting_id: int, *, clock: Callable[[], datetime]) -> bool:
    """Take a purge through all its stages; False while another process is at it.

    OnHold before keys are destroyed, BadArchive, KeyMissing: nothing after that stage is done.
    """
    with locks.held_by_the_process(locks.PURGE, str(meeting_id)) as is_ours:
        if not is_ours:
            return False
        purge = Purge.objects.select_related("meeting__issuer").get(meeting=meeting_id)
        if not purge.may_begin:
            raise asking.NotAsked
        while purge.stage != Stage.DONE:
            STAGES[Stage(purge.stage)](purge, clock())
        return True


def _export(purge: Purge, now: datetime) -> None:
    if asking.is_held(purge.meeting_id):
        raise asking.OnHold
    purge.wrapping_keys = keys.wrapping_keys_of(purge.meeting_id)
    if keys.are_destroyed(purge.wrapping_keys):  # before the database was restored
        purge.files = archive.read_archive(purge.meeting_id)
    else:
        purge.files = archive.write_archive(purge.meeting_id)
    purge.counts = contents.count_all(purge.meeting_id)
    purge.exported_at = now
    _reach(purge, Stage.EXPORTED, "files", "counts", "wrapping_keys", "exported_at")


def _destroy_keys(purge: Purge, now: datetime) -> None:
    archive.check_archive(archive.folder_of(purge.meeting), purge.files)
    with transaction.atomic():
        # A hold that is placed at this moment comes before or after, never between.
        meeting = Meeting.objects.select_for_update().get(pk=purge.meeting_id)
        if asking.is_held(meeting.pk):
            raise asking.OnHold
        keys.destroy_keys(purge.wrapping_keys)
        meeting.purged_at = now
        meeting.revision += 1
        meeting.save(update_fields=["purged_at", "revision"])
        MeetingKey.objects.filter(meeting=meeting).delete()
        names = {"wrapping_keys": purge.wrapping_keys}
        journal.record(meeting, "purge.keys_destroyed", by=TIMER, at=now, **names)
        _reach(purge, Stage.KEYS_DESTROYED)


def _drop(purge: Purge, _now: datetime) -> None:
    contents.delete_rows(purge.meeting_id)
    contents.drop_partitions(purge.meeting_id)
    _reach(purge, Stage.DROPPED)


@transaction.atomic
def _conclude(purge: Purge, now: datetime) -> None:
    left = {table: rows for table, rows in contents.count_all(purge.meeting_id).items() if rows}
    partitions = contents.partitions_left(purge.meeting_id)
    if left or partitions:
        raise CannotGoOn(f"left behind: {left or partitions}")
    purge.done_at = now
    purge.report = _report(purge)
    signed = {"report": purge.report.split("\n")[-2], "rows": sum(purge.counts.values())}
    journal.record(purge.meeting, "purge.done", by=TIMER, at=now, **signed)
    purge.problem = ""
    _reach(purge, Stage.DONE, "done_at", "report", "problem")


def _report(purge: Purge) -> str:
    """What was kept, what was destroyed, by whom and when: a note under the log's signature."""
    meeting = Meeting.objects.select_related("issuer").get(pk=purge.meeting_id)
    said = {
        "meeting": meeting.pk,
        "security_code": meeting.issuer.security_code,
        "title": meeting.title,
        "meeting_date": meeting.meeting_date.isoformat(),
        "cause": purge.cause,
        "retention_days": meeting.retention_days,
        "asked_by": purge.asked_by,
        "asked_at": _time(purge.asked_at),
        "approved_by": purge.approved_by,
        "approved_at": _time(purge.approved_at),
        "archived_at": _time(purge.exported_at),
        "archived_files": purge.files,
        "wrapping_keys_destroyed": purge.wrapping_keys,
        "keys_destroyed_at": _time(meeting.purged_at),
        "rows_deleted": purge.counts,
        "partitions_dropped": list(contents.DROPPED),
        "rows_left": 0,
        "done_at": _time(purge.done_at),
    }
    body = json.dumps(said, ensure_ascii=False, indent=1)
    text = f"{settings.LOG_NAME}/{meeting.pk}\npersonal-data/v1 deleted\n{body}\n"
    signer = signer_of(meeting.pk)
    key = notes.NoteKey(signer.name, signer.public)
    return text + "\n" + notes.signature_line(key, signer.private.sign(text.encode()))


def _time(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _reach(purge: Purge, stage: Purge.Stage, *fields: str) -> None:
    purge.stage = stage
    purge.save(update_fields=["stage", *fields])


STAGES: dict[Purge.Stage, Callable[[Purge, datetime], None]] = {
    Stage.ASKED: _export,
    Stage.EXPORTED: _destroy_keys,
    Stage.KEYS_DESTROYED: _drop,
    Stage.DROPPED: _conclude,
}
