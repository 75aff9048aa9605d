"""One-time codes to the registered phone (身份核验): asked for, sent at once, answered once.

A code is kept as HMAC-SHA-256 under the meeting's CHALLENGES key over holder, browser and code. Six
digits are soon tried out, so a plain or salted hash would hide nothing; the key is what hides them,
and it lies wrapped in a table that backups leave out. A code lives ten minutes and opens one
browser's session for one holder.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from identity.models import Challenge
from meetings.agenda import Agenda
from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import Holder, MeetingKey
from meetings.register.records import open_person
from voting_portal import gateways
from voting_portal.common import ids, locks
from voting_portal.common.counters import CODES
from voting_portal.common.refusals import Refusal
from voting_portal.gateways.protocol import Message, Outcome

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LIFE = timedelta(minutes=10)
TRIES = 5
SHORT, IN_SHORT = timedelta(minutes=10), 3
LONG, IN_LONG = timedelta(days=1), 10

WORDING = (
    "【{signature}】验证码{code}，用于{security_code}股东会投票，10分钟内有效。"
    "工作人员不会向您索要，请勿告诉他人。"
)


class CannotVerify(Refusal):
    """The browser is not verified; `message` says why in words for the holder."""

    message = _("身份核验未通过。")
    status = 422


class NoPhone(CannotVerify):
    message = _("名册中没有您的手机号码，无法发送验证码。")


class TooManyCodes(CannotVerify):
    """3 codes in ten minutes or 10 a day went to this phone; `wait` is the time until the next."""

    status = 429

    def __init__(self, wait: timedelta) -> None:
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        if minutes <= 60:
            words: StrOrPromise = _("验证码发送次数过多，请在%(minutes)s分钟后再获取。")
        else:
            words = _("该手机号今天获取验证码的次数已用完，请明天再试。")
        super().__init__(words % {"minutes": minutes})


class CannotSend(CannotVerify):
    """The gateway did not take the message; nothing was used up but one of the day's codes."""

    message = _("验证码暂时无法发送，请稍后再试。")
    status = 503


class CodeOver(CannotVerify):
    """No code of this browser can be answered (any more)."""

    message = _("验证码已失效，请重新获取。")


class NoTriesLeft(CannotVerify):
    message = _("该验证码已输错5次，不能再用，请重新获取。")


class WrongCode(CannotVerify):
    def __init__(self, left: int) -> None:
        words = ngettext_lazy(
            "验证码不正确，还可再试%(left)s次。请核对最新收到的短信。",
            "验证码不正确，还可再试%(left)s次。请核对最新收到的短信。",
            left,
        )
        super().__init__(words % {"left": left})


@dataclass(frozen=True)
class Codes:
    """When the code that this browser may answer was sent, and how long until the next one."""

    sent_at: datetime | None
    wait: timedelta


def begin_challenge(holder: Holder, *, agenda: Agenda, browser: str, now: datetime) -> Challenge:
    """Send a new code to the holder's registered phone, to be answered in this browser.

    Raises NoPhone, TooManyCodes or CannotSend. A message whose fate is unknown counts as sent: it
    may arrive. The gateway is called outside every transaction.
    """
    try:
        phone = open_person(holder).phone
    except KeyDestroyed:
        phone = ""
    if not phone or holder.phone_index is None:
        raise NoPhone
    code = f"{secrets.randbelow(1_000_000):06d}"
    challenge = _add(holder, browser=browser, code=code, now=now)
    text = WORDING.format(
        signature=settings.SMS_SIGNATURE, code=code, security_code=agenda.security_code
    )
    message = Message(f"code-{challenge.pk}", phone, text, variables={"验证码": code})
    result = gateways.send_now(message)
    CODES.labels(result.outcome.name.lower()).inc()
    if result.outcome not in (Outcome.ACCEPTED, Outcome.UNKNOWN):
        Challenge.objects.filter(pk=challenge.pk).update(expires_at=now)
        raise CannotSend
    return challenge


def read_codes(holder: Holder, *, browser: str, now: datetime) -> Codes:
    """What the code's page says to this browser."""
    awaited = Challenge.objects.filter(
        holder_id=holder.pk,
        browser_hash=_browser_hash(browser),
        passed_at=None,
        tries__lt=TRIES,
        expires_at__gt=now,
    )
    sent_at = awaited.order_by("-id").values_list("sent_at", flat=True).first()
    return Codes(sent_at, _wait(bytes(holder.phone_index or b""), now))


def answer_challenge(holder_id: int, *, browser: str, code: str, now: datetime) -> None:
    """Return when `code` is the latest one sent for this holder and browser; it is then used up.

    Raises CodeOver, NoTriesLeft or WrongCode. The try is counted before the code is looked at, by
    one conditional UPDATE, so guesses at the same moment get no more tries than one after another.
    """
    challenge = (
        Challenge.objects.filter(
            holder_id=holder_id, browser_hash=_browser_hash(browser), passed_at=None
        )
        .order_by("-id")
        .first()
    )
    if challenge is None or now >= challenge.expires_at:
        raise CodeOver
    this = Challenge.objects.filter(pk=challenge.pk)
    if not this.filter(tries__lt=TRIES, passed_at=None).update(tries=F("tries") + 1):
        raise NoTriesLeft
    if not hmac.compare_digest(bytes(challenge.code_hash), _code_hash(holder_id, browser, code)):
        left = TRIES - this.values_list("tries", flat=True).get()
        raise WrongCode(left) if left else NoTriesLeft
    if not this.filter(passed_at=None).update(passed_at=now):
        raise CodeOver


@transaction.atomic
def _add(holder: Holder, *, browser: str, code: str, now: datetime) -> Challenge:
    """Note the code before it is sent; two at once for one phone come in one after the other."""
    phone_index = bytes(holder.phone_index or b"")
    locks.hold(locks.PHONE, int.from_bytes(phone_index[:4], "big", signed=True))
    if wait := _wait(phone_index, now):
        raise TooManyCodes(wait)
    return Challenge.objects.create(
        holder_id=holder.pk,
        phone_index=phone_index,
        browser_hash=_browser_hash(browser),
        code_hash=_code_hash(holder.pk, browser, code),
        sent_at=now,
        expires_at=now + LIFE,
    )


def _wait(phone_index: bytes, now: datetime) -> timedelta:
    sent = list(
        Challenge.objects.filter(phone_index=phone_index, sent_at__gt=now - LONG)
        .order_by("-sent_at")
        .values_list("sent_at", flat=True)[:IN_LONG]
    )
    waits = [timedelta(0)]
    for period, most in ((SHORT, IN_SHORT), (LONG, IN_LONG)):
        if len(sent) >= most:
            waits.append(sent[most - 1] + period - now)
    return max(waits)


def _code_hash(holder_id: int, browser: str, code: str) -> bytes:
    key = meeting_key(ids.meeting_of(holder_id), MeetingKey.Purpose.CHALLENGES)
    return hmac.digest(key, f"{holder_id} {browser} {code}".encode(), "sha256")


def _browser_hash(browser: str) -> bytes:
    return hashlib.sha256(browser.encode()).digest()
