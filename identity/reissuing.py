"""Links that must not work any more (换发链接): of one holder, or of a whole meeting.

One holder's: a generation more in the holder's row ends the links, codes and sessions of before; a
holder has four generations. A whole meeting's: new links are signed with a new key while the old
ones still hold, and once new ones are sent, a second person ends the old keys, after which no
old link is anybody's.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from identity.links import GENERATIONS
from meetings import journal, keys, live
from meetings.lifecycle import CannotAdvance
from meetings.models import Holder, Holding, Meeting, MeetingKey
from meetings.register.records import account_index
from voting_portal.common import ids


class CannotReissue(CannotAdvance):
    """No link was ended; `message` says why."""


class NoSuchHolder(CannotReissue):
    message = _("名册中没有这个证券账户。")


class ReissuedTooOften(CannotReissue):
    message = _("该股东的链接已换发三次，请更换整个会议的链接密钥。")


class SamePerson(CannotReissue):
    message = _("旧链接须由更换密钥以外的另一位工作人员停用。")


class NothingOld(CannotReissue):
    message = _("没有需要停用的旧链接：请先更换链接密钥。")


@transaction.atomic
def reissue_link(meeting_id: int, *, account: str, by: str, now: datetime) -> Holder:
    """End the links, codes and sessions of the holder of this account; new ones hold at once.

    NoSuchHolder; ReissuedTooOften after the third time.
    """
    key = keys.meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    holding = (
        Holding.objects.of_meeting(meeting_id)
        .filter(account_index=account_index(key, account))
        .first()
    )
    if holding is None:
        raise NoSuchHolder
    holder = Holder.objects.filter(pk=holding.holder_id, link_generation__lt=GENERATIONS - 1)
    if not holder.update(link_generation=F("link_generation") + 1):
        raise ReissuedTooOften
    index = ids.index_of(holding.holder_id)
    journal.record(meeting_id, "link.reissued", by=by, at=now, holder=index)
    return Holder.objects.get(pk=holding.holder_id)


@transaction.atomic
def renew_links(meeting_id: int, *, by: str, now: datetime) -> int:
    """Sign links of the meeting with a new key from now on; the old ones hold until they are ended.

    Returns the new key's id. Send the new links before `end_old_links`.
    """
    Meeting.objects.select_for_update().get(pk=meeting_id)
    key_id = keys.add_link_key(meeting_id, by=by).key_id
    journal.record(meeting_id, "links.renewed", by=by, at=now, key=key_id)
    live.forget()
    return key_id


@transaction.atomic
def end_old_links(meeting_id: int, *, by: str, now: datetime) -> int:
    """Destroy all keys of links that were replaced; return how many. Old links are nobody's then.

    NothingOld; SamePerson for whoever renewed the links last.
    """
    Meeting.objects.select_for_update().get(pk=meeting_id)
    of_links = MeetingKey.objects.filter(meeting=meeting_id, purpose=MeetingKey.Purpose.LINKS)
    replaced = of_links.filter(wrapped__isnull=False).exclude(replaced_by="")
    try:
        # The constraint meeting_key_ended_by_two, not this code, tells one person from two.
        with transaction.atomic():
            ended = replaced.update(wrapped=None, ended_by=by)
    except IntegrityError as error:
        if "meeting_key_ended_by_two" not in str(error):
            raise
        raise SamePerson from None
    if not ended:
        raise NothingOld
    journal.record(meeting_id, "links.ended", by=by, at=now, keys=ended)
    live.forget()
    return ended
