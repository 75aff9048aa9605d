"""Preparing a meeting: a new one gets its keys and its partitions before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal, keys, log_keys
from meetings.lifecycle import BEFORE_INVITATION, CannotAdvance
from meetings.models import (
    Candidate,
    ConcertParty,
    Holder,
    Holding,
    Insider,
    KindDecision,
    Meeting,
    MeetingKey,
    Motion,
    Recusal,
)
from meetings.register.records import account_index
from voting_portal.common import partitions
from voting_portal.common.masking import mask_account

COUNTED = (Meeting.State.TALLIED, Meeting.State.CERTIFIED, Meeting.State.PUBLISHED)


@transaction.atomic
def prepare_meeting(meeting: Meeting, *, by: str, now: datetime) -> None:
    """Give a meeting that was just saved its data keys and its room in the big tables.

    With the first one the key is made that signs the logs of all.
    """
    keys.make_keys(meeting.pk)
    log_keys.make_first_log_key()
    partitions.make_room(meeting.pk)
    journal.record(meeting, "meeting.prepared", by=by, at=now)


def note_change(meeting_id: int, *, changed: Sequence[str], by: str, now: datetime) -> None:
    """Note in the journal which of a meeting's fields and rows were changed, not what they say."""
    journal.record(meeting_id, "meeting.changed", by=by, at=now, changed=list(changed))


class ListClosed(CannotAdvance):
    message = _("计票之后名单不再改变。")


class KindsFrozen(CannotAdvance):
    message = _("开放投票链接之后不再改变股东的身份认定。")


@transaction.atomic
def recuse(motion: Motion, *, account: str, name: str, by: str, now: datetime) -> Recusal:
    """Note that the holder of an account must not vote on a motion (回避表决).

    `name` is the one that the meeting's notice prints. The account may be noted before a register
    is loaded; it is looked up now and at every load. ListClosed once the votes are counted.
    """
    _before_the_tally(motion.meeting_id)
    recusal = Recusal.objects.create(motion=motion, **_named(motion.meeting_id, account, name))
    find_listed_holders(motion.meeting_id)
    journal.record(motion.meeting_id, "motion.recusal", by=by, at=now, motion=motion.number)
    return recusal


@transaction.atomic
def name_insider(meeting_id: int, *, account: str, name: str, by: str, now: datetime) -> Insider:
    """Note a director or senior manager (董监高); the list must then be confirmed again."""
    _before_the_tally(meeting_id)
    insider = Insider.objects.create(meeting_id=meeting_id, **_named(meeting_id, account, name))
    _list_changed(meeting_id, "insider.named", by=by, now=now)
    return insider


@transaction.atomic
def name_concert_party(
    meeting_id: int, *, group: int, account: str, name: str, by: str, now: datetime
) -> ConcertParty:
    """Note a holder who acts in concert with the others of a group (一致行动人)."""
    _before_the_tally(meeting_id)
    party = ConcertParty.objects.create(
        meeting_id=meeting_id, group=group, **_named(meeting_id, account, name)
    )
    _list_changed(meeting_id, "concert_party.named", by=by, now=now)
    return party


@transaction.atomic
def confirm_insiders(meeting_id: int, *, by: str, now: datetime) -> None:
    """Say that the lists of insiders and concert parties are whole, even if they are empty (P4)."""
    _before_the_tally(meeting_id)
    Meeting.objects.filter(pk=meeting_id).update(insiders_confirmed_by=by)
    journal.record(meeting_id, "insiders.confirmed", by=by, at=now)


@transaction.atomic
def decide_kind(
    meeting_id: int, *, account: str, name: str, kind: Holder.Kind, by: str, now: datetime
) -> KindDecision:
    """Decide what the holder of an account is, whatever its name looks like (N9).

    KindsFrozen once links are open: by then the holder may have voted as what it was.
    """
    if Meeting.objects.get(pk=meeting_id).state not in BEFORE_INVITATION:
        raise KindsFrozen
    decision = KindDecision.objects.create(
        meeting_id=meeting_id, kind=kind, **_named(meeting_id, account, name)
    )
    find_listed_holders(meeting_id)
    journal.record(meeting_id, "holder.kind_decided", by=by, at=now, kind=kind)
    return decision


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


def find_listed_holders(meeting_id: int) -> None:
    """Point every list of the meeting at the holders who have its accounts now, and give holders
    the kind that was decided for them."""
    lists: list[tuple[models.QuerySet[Any], list[Any]]] = [
        (queryset, list(queryset))
        for queryset in (
            Recusal.objects.filter(motion__meeting_id=meeting_id),
            Insider.objects.filter(meeting_id=meeting_id),
            ConcertParty.objects.filter(meeting_id=meeting_id),
            KindDecision.objects.filter(meeting_id=meeting_id),
        )
    ]
    accounts = {bytes(row.account_index) for _all, rows in lists for row in rows}
    found = Holding.objects.of_meeting(meeting_id).filter(account_index__in=accounts)
    holders = {bytes(index): pk for index, pk in found.values_list("account_index", "holder_id")}
    for queryset, rows in lists:
        for row in rows:
            row.holder_id = holders.get(bytes(row.account_index))
        queryset.bulk_update(rows, ["holder_id"])
    decisions = KindDecision.objects.filter(meeting_id=meeting_id, holder_id__isnull=False)
    for holder, kind in decisions.values_list("holder_id", "kind"):
        Holder.objects.filter(pk=holder or 0).update(kind=kind)


def _named(meeting_id: int, account: str, name: str) -> dict[str, Any]:
    key = keys.meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    return {
        "name": name,
        "account_index": account_index(key, account),
        "account_masked": mask_account(account),
    }


def _before_the_tally(meeting_id: int) -> None:
    """Lists decide the figures, so they are whole before anybody has seen one."""
    if Meeting.objects.select_for_update().get(pk=meeting_id).state in COUNTED:
        raise ListClosed


def _list_changed(meeting_id: int, verb: str, *, by: str, now: datetime) -> None:
    Meeting.objects.filter(pk=meeting_id).update(insiders_confirmed_by="")
    find_listed_holders(meeting_id)
    journal.record(meeting_id, verb, by=by, at=now)
