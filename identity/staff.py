"""How staff sign in: links that work once, and passwords for those who have one.

A link carries 256 random bits of which only the SHA-256 is kept. Opening it shows a button and
pressing the button signs in, so that a mail scanner that opens links uses up nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from identity import limits
from identity.models import StaffPass, User
from meetings import journal
from meetings.models import Issuer
from voting_portal.common.http import client_address
from voting_portal.common.refusals import Refusal
from voting_portal.common.roles import Role
from voting_portal.common.security_notes import Note, network_of, note

LOCKED = "staff.locked"  # in the journal


class CannotSignIn(Refusal):
    """Nobody is signed in; `message` says why."""

    message = _("登录未成功。")
    status = 422


class PassOver(CannotSignIn):
    message = _("该登录链接无效、已使用或已过期，请向管理员索取新的链接。")
    status = 404


class WrongPassword(CannotSignIn):
    message = _("用户名或密码不正确。")


class CannotEnrol(Exception):
    """No such user was made; the message says what is missing."""


def issue_pass(user: User, *, lifetime: timedelta, now: datetime) -> str:
    """An absolute sign-in address for the user that works once until `now + lifetime`."""
    secret = secrets.token_urlsafe(32)
    StaffPass.objects.create(user=user, secret_hash=_hash(secret), expires_at=now + lifetime)
    return settings.STAFF_URL + reverse("identity:staff-pass", args=[secret])


@transaction.atomic
def hand_out_pass(user: User, *, lifetime: timedelta, by: str, now: datetime) -> str:
    """A sign-in address that an administrator gives to somebody, with a line in the journal."""
    journal.record(None, "user.pass_issued", by=by, at=now, user=user.pk)
    return issue_pass(user, lifetime=lifetime, now=now)


def read_pass(secret: str, *, now: datetime) -> User:
    """Whose link this is; PassOver when it would not sign in. Uses nothing up."""
    row = StaffPass.objects.select_related("user").filter(
        secret_hash=_hash(secret), used_at=None, expires_at__gt=now, user__is_active=True
    )
    if (found := row.first()) is None:
        raise PassOver
    return found.user


@transaction.atomic
def use_pass(secret: str, *, now: datetime) -> User:
    """Use the link up and return its user; of two at once one gets PassOver."""
    user = read_pass(secret, now=now)
    unused = StaffPass.objects.filter(secret_hash=_hash(secret), used_at=None)
    if not unused.update(used_at=now):
        raise PassOver
    return user


def check_password(request: HttpRequest, *, username: str, password: str, now: datetime) -> User:
    """The user with this name and password; WrongPassword or limits.TooMany.

    Failures are counted by address and by name, so that neither one machine nor many can go on
    guessing; a link signs in even while a name's limit is used up, so nobody can be locked out.
    """
    subject = f"user {username.casefold()}"
    limits.check(limits.STAFF_FAILURES, request)
    limits.check(limits.STAFF_FAILURES, request, subject=subject)
    user = authenticate(request, username=username, password=password)
    if isinstance(user, User):
        return user
    limits.count(limits.STAFF_FAILURES, request)
    used = limits.count(limits.STAFF_FAILURES, request, subject=subject)
    known = User.objects.filter(username__iexact=username).first()
    if known and used == limits.STAFF_FAILURES.count:
        note_locked(request, known, way="password", now=now)
    raise WrongPassword


def note_locked(request: HttpRequest, user: User, *, way: str, now: datetime) -> None:
    """Put on record that a user's limit of failures is used up; somebody may be guessing."""
    note(Note.LOCKED, request, actor=user.actor, way=way)
    address = network_of(client_address(request))
    journal.record(
        None, LOCKED, by="system:limits", at=now, user=user.actor, way=way, address=address
    )


@transaction.atomic
def enrol(username: str, *, roles: Collection[Role], issuer_code: str = "", now: datetime) -> User:
    """Make a user without a password, a secretary with the issuer of this security code.

    For whoever works on the server itself, and so for the first administrators. CannotEnrol when
    the name is taken, the issuer is not there, or the roles do not go together.
    """
    if User.objects.filter(username=username).exists():
        raise CannotEnrol(f"There is a user {username!r} already.")
    is_secretary = Role.SECRETARY in roles
    if is_secretary and len(roles) > 1:
        raise CannotEnrol("A secretary has no other role.")
    if is_secretary and not issuer_code:
        raise CannotEnrol("A secretary needs an issuer: add --issuer CODE.")
    issuers = Issuer.objects.filter(security_code=issuer_code)
    if issuer_code and not issuers:
        raise CannotEnrol(f"There is no issuer {issuer_code}.")
    user = User(username=username, roles=sorted(roles), is_staff=not is_secretary)
    user.set_unusable_password()
    user.save()
    user.issuers.set(issuers if is_secretary else [])
    journal.record(
        None, "user.enrolled", by="system:server", at=now, user=user.pk, roles=user.roles
    )
    return user


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
