"""Suppressions (免打扰): phones whose holders want no messages of ours, at any meeting.

A person opts out by a reply or a call, and it holds for every meeting to come, so a meeting's own
keys cannot find it: the portal has one more random key, wrapped like theirs, from which the blind
index and the sealing of these phones are derived. The phone is kept sealed to be looked up among
the holders of a meeting that is still to come; lifting a suppression erases it.

One-time codes are asked for by whoever gets them and are sent all the same.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal, keys
from meetings.models import Holder, MeetingKey
from meetings.register.records import open_person, phone_index
from meetings.rewrapping import Column
from notifications.models import Suppression, SuppressionKey
from voting_portal.common import masking, sealing
from voting_portal.common.refusals import Refusal

Reason = Suppression.Reason

_CONTEXT = b"suppression-key"
_ONLY = 1  # there is one key
WRAPPED = Column(SuppressionKey, "wrapped", lambda _row: _CONTEXT)
_NUMBER = r"(?:tel:)?(?:(?:\+|00)?86)?(1[3-9]\d{9})"


class CannotSuppress(Refusal):
    """Nothing is changed; `message` says why."""


class NoNumber(CannotSuppress):
    message = _("请输入11位手机号码。")


class NoReason(CannotSuppress):
    message = _("请写明原因。")


class NotInForce(CannotSuppress):
    message = _("该免打扰已解除。")


def plain_number(text: str) -> str:
    """The eleven digits of a mainland mobile number, however it is written; NoNumber for others."""
    written = re.fullmatch(_NUMBER, re.sub(r"[\s-]", "", text), re.ASCII)
    if written is None:
        raise NoNumber
    return written[1]


def withdraw(*, phone: str, by: str, at: datetime) -> None:
    """Somebody replied that no more messages are wanted; a second reply changes nothing.

    A number that is none of ours to send to is left alone.
    """
    try:
        _suppress(phone, reason=Reason.REPLY, note="", by=by, at=at)
    except NoNumber:
        return


def add_suppression(
    *, phone: str, reason: Suppression.Reason, note: str, by: str, now: datetime
) -> Suppression:
    """Staff note that a phone is not to be written to, and why; NoNumber, NoReason.

    The suppression in force, when there is one already.
    """
    if not note.strip():
        raise NoReason
    return _suppress(phone, reason=reason, note=note.strip(), by=by, at=now)


def refuse_messages(holder: Holder, *, now: datetime) -> None:
    """A verified holder wants no messages to the registered phone; a second time changes nothing.

    NoNumber for a holder without one.
    """
    _suppress(_phone_of(holder), reason=Reason.REQUEST, note="", by=_actor(holder), at=now)


def accept_messages(holder: Holder, *, now: datetime) -> None:
    """The verified holder wants messages again; nothing changes where none were refused."""
    suppression = _in_force(_phone_of(holder))
    if suppression is not None:
        note = str(_("本人在页面上恢复接收。"))
        lift_suppression(suppression.pk, note=note, by=_actor(holder), now=now)


def refuses_messages(holder: Holder) -> bool:
    """Whether the holder's phone is not to be written to now."""
    return _in_force(_phone_of(holder)) is not None


@transaction.atomic
def lift_suppression(suppression_id: int, *, note: str, by: str, now: datetime) -> None:
    """The phone may be written to again: its holder asked for it. Erases the sealed number.

    NoReason without a note, NotInForce when it was lifted before.
    """
    if not note.strip():
        raise NoReason
    in_force = Suppression.objects.filter(pk=suppression_id, lifted_at=None)
    if not in_force.update(
        lifted_by=by, lifted_at=now, lifting_note=note.strip()[:200], sealed=b""
    ):
        raise NotInForce
    journal.record(None, "suppression.lifted", by=by, at=now, suppression=suppression_id)


def suppressed(phones: Collection[str]) -> set[str]:
    """Those of the phones that must not be written to now; one query."""
    indexes = sealing.blind_indexes(_index_key(), [phone.encode() for phone in phones])
    by_index = dict(zip(indexes, phones, strict=True))
    with connection.cursor() as cursor:
        # One text of hexadecimal digits: hundreds of parameters cost more than the question.
        cursor.execute(
            """
            SELECT phone_index FROM notifications_suppression
            WHERE lifted_at IS NULL AND phone_index = ANY (ARRAY(
                SELECT decode(digits, 'hex') FROM string_to_table(%s, ',') AS digits
            ))
            """,
            [",".join(index.hex() for index in indexes)],
        )
        return {by_index[bytes(index)] for (index,) in cursor.fetchall()}


def indexes_at(meeting_id: int) -> list[bytes]:
    """The suppressed phones as the holders of a meeting have them in `phone_index`."""
    index_key = keys.meeting_key(meeting_id, MeetingKey.Purpose.INDEX)
    seal_key = _derived("seal")
    in_force = Suppression.objects.filter(lifted_at=None).values_list("phone_index", "sealed")
    return [
        phone_index(
            index_key,
            sealing.open_sealed(seal_key, bytes(sealed), context=_context(bytes(index))).decode(),
        )
        for index, sealed in in_force.iterator()
    ]


@transaction.atomic
def _suppress(
    phone: str, *, reason: Suppression.Reason, note: str, by: str, at: datetime
) -> Suppression:
    number = plain_number(phone)
    index = sealing.blind_index(_index_key(), number)
    try:
        # The constraint suppression_once, not this code, tells the first of two at once.
        with transaction.atomic():
            suppression = Suppression.objects.create(
                phone_index=index,
                phone_masked=masking.mask_phone(number),
                sealed=sealing.seal(_derived("seal"), number.encode(), context=_context(index)),
                reason=reason,
                note=note[:200],
                added_by=by,
                added_at=at,
            )
    except IntegrityError as error:
        if "suppression_once" not in str(error):
            raise
        return Suppression.objects.get(phone_index=index, lifted_at=None)
    journal.record(
        None, "suppression.added", by=by, at=at, suppression=suppression.pk, reason=reason
    )
    return suppression


def _in_force(phone: str) -> Suppression | None:
    """NoNumber for what is none. Makes no key: before there is one, nobody refused anything."""
    number = plain_number(phone)
    if not SuppressionKey.objects.filter(pk=_ONLY).exists():
        return None
    index = sealing.blind_index(_index_key(), number)
    return Suppression.objects.filter(phone_index=index, lifted_at=None).first()


def _phone_of(holder: Holder) -> str:
    return open_person(holder).phone


def _actor(holder: Holder) -> str:
    return f"holder:{holder.pk}"


def _context(index: bytes) -> bytes:
    return b"suppression " + index


def _index_key() -> bytes:
    return _derived("index")


def _derived(use: str) -> bytes:
    """The key for one use, from the portal's own; made when it is first needed."""
    row = SuppressionKey.objects.filter(pk=_ONLY).first()
    if row is None:
        wrapped = keys.keystore().wrap(sealing.new_key(), context=_CONTEXT)
        row, _made = SuppressionKey.objects.get_or_create(pk=_ONLY, defaults={"wrapped": wrapped})
    key = keys.keystore().unwrap(bytes(row.wrapped), context=_CONTEXT)
    return hmac.digest(key, use.encode(), "sha256")
