"""The second factor of staff (双因素认证): six digits of an authenticator app, a new one each 30 s.

A device is set up once, in a session that began with a one-time link: a stolen password alone sets
up nothing. A lost device is taken away by a security administrator, and a new link begins anew.
"""

from __future__ import annotations

from base64 import b32encode
from datetime import datetime
from urllib.parse import quote, urlencode

import segno
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_otp import login as note_device
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity import limits
from identity.models import User
from identity.staff import CannotSignIn, note_locked
from meetings import journal

PORTAL = "SSE Voting"  # what the authenticator calls the account
BEGAN_BY_LINK = "began-by-link"  # in the session


class WrongDigits(CannotSignIn):
    message = _("验证码不正确。请输入身份验证器上当前显示的6位数字。")


class NotByPassword(CannotSignIn):
    message = _("首次设置身份验证器须使用管理员发给您的一次性登录链接。")


def device_of(user: User) -> TOTPDevice | None:
    """The user's authenticator, None while none is set up."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def device_to_set_up(user: User) -> TOTPDevice:
    """The authenticator that waits for its first digits; the same one until they are right."""
    device, _made = TOTPDevice.objects.get_or_create(user=user, confirmed=False)
    return device


def picture_of(device: TOTPDevice) -> str:
    """The device's key as a QR code, an SVG element for the page."""
    label = quote(f"{PORTAL}:{device.user.get_username()}")
    words = urlencode({"secret": b32encode(device.bin_key).decode(), "issuer": PORTAL})
    code = segno.make(f"otpauth://totp/{label}?{words}", error="m")
    return str(code.svg_inline(scale=4, light="#fff"))


def typed_key(device: TOTPDevice) -> str:
    """The key for those who type it, in groups of four."""
    key = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(key[at : at + 4] for at in range(0, len(key), 4))


def check_digits(request: HttpRequest, user: User, digits: str, *, now: datetime) -> None:
    """Verify the session with the digits of the user's device, which they set up if need be.

    WrongDigits, also for digits that were used already; NotByPassword; limits.TooMany. Failures
    are counted by user.
    """
    subject = f"second factor {user.pk}"
    limits.check(limits.STAFF_FAILURES, request, subject=subject)
    device = device_of(user)
    is_new = device is None
    if device is None:
        if not request.session.get(BEGAN_BY_LINK):
            raise NotByPassword
        device = device_to_set_up(user)
    if not _accepts(device.pk, "".join(digits.split())):
        used = limits.count(limits.STAFF_FAILURES, request, subject=subject)
        if used == limits.STAFF_FAILURES.count:
            note_locked(request, user, way="digits", now=now)
        raise WrongDigits
    if is_new:
        journal.record(None, "second_factor.set_up", by=user.actor, at=now)
    request.session.cycle_key()
    note_device(request, device)


@transaction.atomic
def _accepts(device_id: int, digits: str) -> bool:
    """Whether these are the device's digits; each are accepted only once."""
    device = TOTPDevice.objects.select_for_update().get(pk=device_id)
    if not device.verify_token(digits):
        return False
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    return True


@transaction.atomic
def take_away(user_id: int, *, by: str, now: datetime) -> None:
    """Forget the user's device, because it was lost."""
    TOTPDevice.objects.filter(user=user_id).delete()
    journal.record(None, "second_factor.taken_away", by=by, at=now, user=user_id)
