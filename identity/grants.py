"""Who may do what is given by two people (岗位授权): one asks for roles, another grants them.

The very first administrators are made on the server itself by `staff_login --create`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from identity.models import RoleGrant, User
from meetings import journal
from voting_portal.common.refusals import Refusal
from voting_portal.common.roles import Role


class CannotGrant(Refusal):
    """The user's roles stay as they are; `message` says why."""


class SamePerson(CannotGrant):
    message = _("岗位须由申请人以外的安全管理员批准。")


class OwnRoles(CannotGrant):
    message = _("不能为自己申请或批准岗位。")


class StaffOrSecretary(CannotGrant):
    message = _("董事会秘书不能兼任交易所岗位。")


class IssuersOfSecretaries(CannotGrant):
    message = _("董事会秘书须指定上市公司，其他岗位不能指定。")


class AskedAlready(CannotGrant):
    message = _("该用户已有待批准的岗位申请。")


class NothingAsked(CannotGrant):
    message = _("没有待批准的岗位申请。")


@transaction.atomic
def ask_for_roles(
    user_id: int, *, roles: Collection[Role], issuers: Collection[int] = (), by: str, now: datetime
) -> RoleGrant:
    """Ask that a user have exactly these roles, none to take all away, a secretary these issuers.

    OwnRoles, StaffOrSecretary, IssuersOfSecretaries, AskedAlready.
    """
    user = User.objects.select_for_update().get(pk=user_id)
    if user.actor == by:
        raise OwnRoles
    if Role.SECRETARY in roles and len(roles) > 1:
        raise StaffOrSecretary
    if bool(issuers) != (Role.SECRETARY in roles):
        raise IssuersOfSecretaries
    grant, made = RoleGrant.objects.get_or_create(
        user=user,
        granted_by="",
        defaults={
            "roles": sorted(roles),
            "issuers": sorted(issuers),
            "asked_by": by,
            "asked_at": now,
        },
    )
    if not made:
        raise AskedAlready
    _note(grant, "asked", by=by, now=now)
    return grant


@transaction.atomic
def grant_roles(grant_id: int, *, by: str, now: datetime) -> User:
    """Give the user the roles that were asked for; they count from the next page on.

    NothingAsked, OwnRoles; SamePerson for whoever asked.
    """
    grant = (
        RoleGrant.objects.select_for_update(of=["self"])
        .select_related("user")
        .filter(pk=grant_id, granted_by="")
        .first()
    )
    if grant is None:
        raise NothingAsked
    if grant.user.actor == by:
        raise OwnRoles
    grant.granted_by, grant.granted_at = by, now
    try:
        # The constraint role_grant_second_person, not this code, tells one person from two.
        with transaction.atomic():
            grant.save(update_fields=["granted_by", "granted_at"])
    except IntegrityError as error:
        if "role_grant_second_person" not in str(error):
            raise
        raise SamePerson from None
    give_roles(grant.user, [Role(role) for role in grant.roles], issuers=grant.issuers)
    _note(grant, "granted", by=by, now=now)
    return grant.user


@transaction.atomic
def refuse_roles(grant_id: int, *, by: str, now: datetime) -> None:
    """Put an open request away; NothingAsked when there is none."""
    grant = RoleGrant.objects.select_for_update().filter(pk=grant_id, granted_by="").first()
    if grant is None:
        raise NothingAsked
    _note(grant, "refused", by=by, now=now)
    grant.delete()


def give_roles(user: User, roles: Collection[Role], *, issuers: Collection[int] = ()) -> None:
    """Set a user's roles and issuers; whoever calls this answers for the second person."""
    user.roles = sorted(roles)
    user.is_staff = bool(roles) and Role.SECRETARY not in roles
    user.save(update_fields=["roles", "is_staff"])
    user.issuers.set(issuers)


def _note(grant: RoleGrant, verb: str, *, by: str, now: datetime) -> None:
    journal.record(
        None,
        f"roles.{verb}",
        by=by,
        at=now,
        user=grant.user_id,
        roles=grant.roles,
        issuers=grant.issuers,
    )
