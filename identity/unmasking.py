"""One holder's registered data in full (查看登记信息), for a reason that the journal keeps.

Every other page shows masked names and phones. Somebody who calls the hotline because no code comes
asks which number is on the register; an auditor, who can change nothing and send nothing, may look.
The journal says who looked at whom, when, for which reason and which call; never what was seen.
Whom to look at is told by account, phone, 一码通, or name and ID number, which go by blind index:
an ID number alone finds nobody, since a broker and its clients' guarantee account share one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import Holder, Holding, Meeting, MeetingKey
from meetings.register import records
from meetings.register.checks import ID_TYPES
from voting_portal.common.refusals import Refusal

UNMASKED = "holder.unmasked"
ACCOUNT = re.compile(r"[ABDEF]\d{9}|C[19]\d{8}")
PHONE = re.compile(r"1\d{10}")
# No phone, ID number or account stands in the journal: they have eight digits or more in a row.
CALL = re.compile(r"(?!.*\d{8})[0-9A-Za-z-]{3,20}")


class Reason(TextChoices):
    PHONE_OLD = "PHONE_OLD", _("来电称手机号已更换")
    NO_CODE = "NO_CODE", _("来电称收不到短信或验证码")
    DISPUTED = "DISPUTED", _("来电对登记信息有异议")
    BY_LAW = "BY_LAW", _("司法或监管机关依法查询")


class CannotUnmask(Refusal):
    """Nothing was shown and nothing is journalled; `message` says why."""


class NoReason(CannotUnmask):
    message = _("请选择查看的原因。")


class NoCall(CannotUnmask):
    message = _("登记号须为3至20位字母、数字或连字符，连续数字不超过7位。")


class NobodyFound(CannotUnmask):
    message = _("名册中没有找到。可用证券账户、手机号、一码通，或姓名和证件号码查询。")


class SeveralFound(CannotUnmask):
    message = _("有多位股东登记了这个手机号，一次只能查看一位：请用证券账户查询。")


class RecordsGone(CannotUnmask):
    message = _("该会议的个人信息已删除。")


@dataclass(frozen=True)
class Unmasked:
    """What the register says of one holder; `index` is the holder's number in the register."""

    index: int
    name: str
    id_number: str
    phone: str  # blank: no message can reach it


@transaction.atomic
def unmask_holder(
    meeting_id: int, *, sought: str, name: str, reason: str, call: str, by: str, now: datetime
) -> Unmasked:
    """The record of the one holder whom `sought`, with `name` for an ID number, finds.

    NoReason, NoCall, NobodyFound, SeveralFound; RecordsGone after the purge. Once it returns, the
    journal's entry stands.
    """
    if reason not in Reason.values:
        raise NoReason
    if not CALL.fullmatch(call):
        raise NoCall
    # A process remembers keys for a minute; the meeting's row knows at once that they are gone.
    if not Meeting.objects.filter(pk=meeting_id, purged_at=None).exists():
        raise RecordsGone
    try:
        holder = _found(meeting_id, sought.strip().upper(), name.strip())
        person = records.open_person(holder)
    except KeyDestroyed:
        raise RecordsGone from None
    details = {"holder": holder.index, "reason": reason, "call": call}
    journal.record(meeting_id, UNMASKED, by=by, at=now, **details)
    return Unmasked(holder.index, person.name, person.id_number, person.phone)


def _found(meeting_id: int, sought: str, name: str) -> Holder:
    key = meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    holders = Holder.objects.of_meeting(meeting_id)
    if ACCOUNT.fullmatch(sought):
        index = records.account_index(key, sought)
        holdings = Holding.objects.of_meeting(meeting_id).filter(account_index=index)
        found = holders.filter(pk__in=holdings.values("holder_id"))
    elif PHONE.fullmatch(sought):
        found = holders.filter(phone_index=records.phone_index(key, sought))
    else:
        found = holders.filter(person_index__in=_person_indexes(key, sought, name))
    match list(found.order_by("id")[:2]):
        case [holder]:
            return holder
        case []:
            raise NobodyFound
        case _:
            raise SeveralFound


def _person_indexes(key: bytes, number: str, name: str) -> list[bytes]:
    """The number as a 一码通, and as the ID number of this name by each type of document."""
    by_ymt = records.person_index(key, ymt=number, name="", id_type="", id_number="", account="")
    return [by_ymt] + [
        records.person_index(key, ymt="", name=name, id_type=id_type, id_number=number, account="")
        for id_type in sorted(set(ID_TYPES.values()))
    ]
