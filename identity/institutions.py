"""The way in of nominees (机构入口): a personal address that an operator opens on the screen.

Nominees get no message. An operator who knows with whom it speaks opens an entry for an account,
hands the address over, and the journal says who did. It carries 256 random bits of which only the
hash is kept; opening it shows a button, and pressing that uses it up.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from identity.links import Link
from identity.models import InstitutionEntry
from meetings import journal
from meetings.keys import meeting_key
from meetings.lifecycle import CannotAdvance
from meetings.live import LIVE_STATES
from meetings.models import Holder, Holding, Meeting, MeetingKey
from meetings.register.records import account_index
from voting_portal.common import ids
from voting_portal.common.masking import mask_account

LIFETIME = timedelta(hours=2)


class CannotOpenEntry(CannotAdvance):
    """No entry was opened; `message` says why."""

    message = _("会议的投票链接尚未开放。")


class NotANominee(CannotOpenEntry):
    message = _("名册中没有这个证券账户，或其持有人不是名义持有人。")


class EntryOver(Exception):
    """The address is wrong, used up or too old."""


@transaction.atomic
def open_entry(meeting_id: int, *, account: str, by: str, now: datetime) -> str:
    """An absolute address for the nominee who has this account, good once within LIFETIME.

    CannotOpenEntry before the links of the meeting are open, NotANominee for anybody else.
    """
    meeting = Meeting.objects.get(pk=meeting_id)
    if meeting.state not in LIVE_STATES:
        raise CannotOpenEntry
    key = meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    holding = (
        Holding.objects.of_meeting(meeting_id)
        .filter(account_index=account_index(key, account))
        .first()
    )
    holder = Holder.objects.filter(pk=holding.holder_id).first() if holding else None
    if holder is None or holder.kind != Holder.Kind.NOMINEE:
        raise NotANominee
    secret = secrets.token_urlsafe(32)
    InstitutionEntry.objects.create(
        holder=holder,
        generation=holder.link_generation,
        secret_hash=_hash(secret),
        account_masked=mask_account(account),
        issued_by=by,
        issued_at=now,
        expires_at=now + LIFETIME,
    )
    journal.record(meeting, "institution.entry_opened", by=by, at=now, holder=holder.index)
    return settings.PUBLIC_URL + reverse("identity:institution", args=[secret])


def read_entry(secret: str, *, now: datetime) -> InstitutionEntry:
    """Whose address it is; EntryOver when it lets nobody in. Uses nothing up."""
    row = InstitutionEntry.objects.filter(
        secret_hash=_hash(secret), used_at=None, expires_at__gt=now
    )
    if (found := row.first()) is None:
        raise EntryOver
    return found


@transaction.atomic
def use_entry(secret: str, *, now: datetime) -> Link:
    """Use the address up and say who came in; of two at once one gets EntryOver."""
    entry = read_entry(secret, now=now)
    if not InstitutionEntry.objects.filter(pk=entry.pk, used_at=None).update(used_at=now):
        raise EntryOver
    meeting_id = ids.meeting_of(entry.holder_id)
    actor = f"holder:{entry.holder_id}"
    journal.record(meeting_id, "institution.entered", by=actor, at=now)
    return Link(entry.holder_id, meeting_id, entry.generation)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
