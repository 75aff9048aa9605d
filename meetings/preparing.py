"""Preparing a meeting: a new one gets its keys and its partitions before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from meetings import journal, keys
from meetings.models import Candidate, Holding, Meeting, MeetingKey, Motion, Recusal
from meetings.register.records import account_index
from voting_portal.common import ids, partitions
from voting_portal.common.masking import mask_account


@transaction.atomic
def prepare_meeting(meeting: Meeting, *, by: str, now: datetime) -> None:
    """Give a meeting that was just saved its data keys and its room in the big tables."""
    keys.make_keys(meeting.pk)
    partitions.make_room(meeting.pk)
    journal.record(meeting, "meeting.prepared", by=by, at=now)


@transaction.atomic
def recuse(motion: Motion, *, account: str, name: str, by: str, now: datetime) -> Recusal:
    """Note that the holder of an account must not vote on a motion (回避表决).

    `name` is the one that the meeting's notice prints. The account may be noted before a register
    is loaded; it is looked up now and at every load.
    """
    key = keys.meeting_key(motion.meeting_id, MeetingKey.Purpose.INDEX)
    recusal = Recusal.objects.create(
        motion=motion,
        name=name,
        account_index=account_index(key, account),
        account_masked=mask_account(account),
    )
    find_recused_holders(motion.meeting_id)
    journal.record(motion.meeting_id, "motion.recusal", by=by, at=now, motion=motion.number)
    return recusal


def candidate_names(motion: Motion) -> list[str]:
    return list(motion.candidates.order_by("item").values_list("name", flat=True))


@transaction.atomic
def name_candidates(motion: Motion, names: Sequence[str]) -> None:
    """Make these the candidates of a cumulative motion, numbered in this order."""
    if candidate_names(motion) == list(names):
        return
    motion.candidates.all().delete()
    Candidate.objects.bulk_create(
        Candidate(motion=motion, item=item, name=name) for item, name in enumerate(names, start=1)
    )


def find_recused_holders(meeting_id: int) -> None:
    """Point every recusal of the meeting at the holder who has its account now."""
    first, end = ids.holder_range(meeting_id)
    recusals = list(Recusal.objects.filter(motion__meeting_id=meeting_id))
    found = dict(
        Holding.objects.filter(
            id__gte=first, id__lt=end, account_index__in=[r.account_index for r in recusals]
        ).values_list("account_index", "holder_id")
    )
    by_account = {bytes(account): holder for account, holder in found.items()}
    for recusal in recusals:
        recusal.holder_id = by_account.get(bytes(recusal.account_index))
    Recusal.objects.bulk_update(recusals, ["holder_id"])
