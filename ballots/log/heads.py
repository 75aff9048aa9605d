"""The heads of the logs (日志头), kept outside the database: they tell when it went back.

After every batch the sequencer leaves the newest checkpoint of each log in a folder. A database
that was restored to an earlier point has lost what came after it, confirmed votes among it, and
would sign another tree under sizes that were signed before. Before a log is extended, its kept head
must therefore be in it. If it is not, that log stands until the rest was recovered, or two people
say that it is lost; all other logs go on.

The folder tells how many have voted, so it is for the sequencer alone before the close.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from ballots.log import notes
from ballots.log.growing import Growth, checkpoint_text
from ballots.log.models import Checkpoint, MeetingLog
from meetings import journal
from meetings.models import JournalEntry
from voting_portal.common import ids
from voting_portal.common.refusals import Refusal

log = logging.getLogger(__name__)

ASKED, RESUMED = "log.loss_asked", "log.loss_accepted"
_known: dict[str, Head] = {}  # by path: what this process has kept or read


class CannotResume(Refusal):
    """The log stands as it did; `message` says why."""


class NothingLost(CannotResume):
    message = _("该会议的日志与存档的日志头一致,没有缺失。")


class WasClosed(CannotResume):
    message = _("存档的日志头已含投票截止:最终的根可能已公布,只能恢复到更晚的时间点。")


class SamePerson(CannotResume):
    message = _("这一步须由另一位工作人员复核。")


@dataclass(frozen=True)
class Head:
    """The newest checkpoint of a log as it was kept."""

    size: int
    root: str  # hexadecimal
    is_closed: bool
    note: str


def head_of(growth: Growth) -> Head:
    """The head that a log has after a batch."""
    newest = growth.checkpoints[-1]
    size, root = newest.size, bytes(newest.root)
    text = checkpoint_text(growth.log.origin, size, root)
    # Where one key handed over to the next, the next one's.
    signature = bytes(newest.next_signature or newest.signature)
    key = notes.NoteKey(growth.signer.name, growth.signer.public)
    note = text + "\n" + notes.signature_line(key, signature)
    return Head(size, root.hex(), growth.log.closed_size is not None, note)


def keep(heads: list[tuple[MeetingLog, Head]]) -> None:
    """Leave the heads of some logs in the folder; a folder that fails stops no log.

    Each replaces the one before it at once. They are not forced to the disk: a machine that loses
    its power keeps its database, and it is a lost database that the heads are for.
    """
    try:
        for started, head in heads:
            path = _path(started)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name(f"{path.name}.{os.getpid()}.new")  # another may stand by
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(vars(head), file)
            new.rename(path)
            _known[str(path)] = head
    except OSError:
        log.exception("the heads of the ballot logs cannot be kept")


def is_in_step(started: MeetingLog, root: bytes) -> bool:
    """Whether the kept head of a log is in it; `root` is that of the log as it stands.

    A log without a kept head is. A head that this process knows is not read again.
    """
    path = _path(started)
    head = _known.get(str(path)) or _read(path)
    if head is None:
        return True
    if head.size == started.size:
        return head.root == root.hex()
    if head.size > started.size:
        return False
    leaf = ids.leaf_id(started.meeting_id, head.size - 1)
    found = Checkpoint.objects.filter(pk=leaf).first()
    return found is not None and bytes(found.root).hex() == head.root


def standing() -> list[MeetingLog]:
    """The logs that are not what their kept heads say; each is looked up anew."""
    forget()
    logs = MeetingLog.objects.filter(meeting__purged_at=None).defer("agenda").order_by("pk")
    return [started for started in logs.iterator() if not is_in_step(started, _root(started))]


@transaction.atomic
def ask_to_resume(meeting_id: int, *, reason: str, by: str, now: datetime) -> None:
    """Say that what a log lost cannot be recovered; another person must accept it.

    NothingLost when the log is in step, WasClosed when the lost head had the close in it.
    """
    _check_lost(meeting_id)
    journal.record(meeting_id, ASKED, by=by, at=now, reason=reason)


@transaction.atomic
def resume(meeting_id: int, *, by: str, now: datetime) -> Path:
    """Accept what another person said is lost, and let the log go on from what there is.

    Returns where the lost head is kept: it proves that entries were signed which are gone.
    NothingLost, WasClosed, SamePerson.
    """
    started = _check_lost(meeting_id)
    asked = JournalEntry.objects.filter(meeting=meeting_id, verb=ASKED).order_by("-id").first()
    if asked is None or asked.actor == by:
        raise SamePerson
    path = _path(started)
    lost = path.with_name(f"{path.name}-lost-{now:%Y%m%dT%H%M%S}")
    path.rename(lost)
    forget()
    journal.record(meeting_id, RESUMED, by=by, at=now, asked_by=asked.actor, kept_as=lost.name)
    return lost


def forget() -> None:
    """Read the folder again at the next question."""
    _known.clear()


def _check_lost(meeting_id: int) -> MeetingLog:
    forget()
    started = MeetingLog.objects.filter(pk=meeting_id).first()
    if started is None or is_in_step(started, _root(started)):
        raise NothingLost
    head = _read(_path(started))
    if head is not None and head.is_closed:
        raise WasClosed
    return started


def _root(started: MeetingLog) -> bytes:
    return bytes(Checkpoint.objects.get(pk=ids.leaf_id(started.pk, started.size - 1)).root)


def _read(path: Path) -> Head | None:
    try:
        head = Head(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):  # also one that a power cut left empty
        log.exception("the head of a ballot log cannot be read: %s", path.name)
        return None
    _known[str(path)] = head
    return head


def _path(started: MeetingLog) -> Path:
    """The register's root is in the name: it is the same for the same meeting only, also in a
    database that was restored to before its log began."""
    name = f"{started.meeting_id}-{bytes(started.register_root).hex()[:16]}"
    return Path(settings.ARCHIVE_DIR) / "heads" / name
