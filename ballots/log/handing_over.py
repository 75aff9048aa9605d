"""Changing the key that signs the logs (更换日志签名密钥), while votes come in.

A new key signs what begins from now on. A log that has begun goes over to it when it next grows:
the sequencer appends a leaf that names both keys, and both sign the checkpoint that ends with it.
So nobody goes on with a log by a key that the one before has not named. Logs that do not grow stay
as they are, until the old key is to be destroyed.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from ballots.log import heads
from ballots.log.growing import Growth
from ballots.log.models import MeetingLog
from meetings import journal, log_keys
from meetings.models import LogKey, MeetingKey
from voting_portal.common import locks
from voting_portal.common.refusals import Refusal


class CannotChangeKey(Refusal):
    """No key was changed; `message` says why."""


class NoSuchKey(CannotChangeKey):
    message = _("没有这个编号的日志签名密钥，或者它已经销毁。")


class LogStands(CannotChangeKey):
    message = _("有会议的日志缺失了已签名的部分，须先恢复，才能更换它的签名密钥。")


class KeyInUse(CannotChangeKey):
    message = _("最新的日志签名密钥不能销毁：请先更换。")


class SamePerson(CannotChangeKey):
    message = _("旧的日志签名密钥须由更换密钥以外的另一位工作人员销毁。")


@transaction.atomic
def change_log_key(*, by: str, now: datetime) -> LogKey:
    """Make a new key for the logs; every log that grows goes over to it by itself."""
    log_keys.newest_log_key()  # KeyDestroyed before there is a first one
    return log_keys.add_log_key(by=by, now=now)


def hand_over_all(number: int) -> int:
    """Bring every log that is at this key to the newest one; how many there were.

    A transaction each, between two batches of the sequencer. Logs whose meeting has lost its keys
    are over and stay as they are.
    """
    living = MeetingKey.objects.filter(purpose=MeetingKey.Purpose.LOG).values("meeting_id")
    at_it = MeetingLog.objects.filter(key=number, pk__in=living).order_by("pk")
    return sum(_hand_over(meeting_id) for meeting_id in at_it.values_list("pk", flat=True))


def retire_log_key(number: int, *, by: str, now: datetime) -> int:
    """Destroy the private half of an old key, after every log has gone over to the newest one.

    Returns how many logs went over. NoSuchKey; KeyInUse for the newest one; SamePerson for whoever
    replaced it; LogStands when one has lost a part (heads.py). Logs that have gone over stay so.
    """
    key = LogKey.objects.filter(number=number, wrapped__isnull=False).first()
    if key is None:
        raise NoSuchKey
    if number == log_keys.newest_log_key().number:
        raise KeyInUse
    logs = hand_over_all(number)
    try:
        # The constraint log_key_ended_by_two, not this code, tells one person from two.
        with transaction.atomic():
            LogKey.objects.filter(number=number).update(wrapped=None, ended_by=by)
            journal.record(None, "log_key.retired", by=by, at=now, number=number, logs=logs)
    except IntegrityError as error:
        if "log_key_ended_by_two" not in str(error):
            raise
        raise SamePerson from None
    log_keys.forget()
    return logs


@transaction.atomic
def _hand_over(meeting_id: int) -> bool:
    locks.hold(locks.SEQUENCER, 0)
    started = MeetingLog.objects.defer("agenda").get(pk=meeting_id)
    growth = Growth(started)
    if not heads.is_in_step(started, growth.tree.root()):
        raise LogStands
    growth.hand_over(log_keys.newest_log_key())
    if growth.leaves:
        growth.write()
        transaction.on_commit(lambda: heads.keep([(started, heads.head_of(growth))]))
    return bool(growth.leaves)
