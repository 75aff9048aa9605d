"""Who is who: exchange staff and secretaries as users, holders as challenges that they passed."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Holder, Issuer
from voting_portal.common.roles import Role


class User(AbstractUser):
    """Exchange staff (Operator, 会务人员) or a company's secretary (Secretary, 董秘).

    Roles are given by two people (identity/grants.py); without one a user can do nothing.
    """

    roles = ArrayField(
        models.CharField(max_length=10, choices=Role), verbose_name=_("岗位"), default=list
    )
    # The one session that is open; signing in elsewhere ends it.
    session_key = models.CharField(max_length=40, blank=True, editable=False)
    issuers = models.ManyToManyField(
        Issuer, blank=True, verbose_name=_("上市公司"), related_name="secretaries"
    )

    class Meta:
        verbose_name = _("用户")
        verbose_name_plural = _("用户")
        constraints = [
            models.CheckConstraint(
                condition=Q(roles__contained_by=Role.values), name="user_roles_known"
            ),
            models.CheckConstraint(
                condition=Q(roles__len=0)
                | Q(is_staff=False, roles=[Role.SECRETARY])
                | (Q(is_staff=True) & ~Q(roles__contains=[Role.SECRETARY])),
                name="user_staff_are_no_secretaries",
            ),
        ]

    @property
    def role_set(self) -> frozenset[Role]:
        return frozenset(Role(role) for role in self.roles)

    @property
    def actor(self) -> str:
        """How the journal names this person, in whichever roles of the exchange."""
        return f"{'secretary' if Role.SECRETARY in self.role_set else 'operator'}:{self.pk}"


class RoleGrant(models.Model):
    """Roles that one administrator asks for and another grants (岗位授权)."""

    user = models.ForeignKey(User, models.PROTECT, related_name="grants", verbose_name=_("用户"))
    roles = ArrayField(
        models.CharField(max_length=10, choices=Role), verbose_name=_("岗位"), blank=True
    )
    issuers = ArrayField(models.BigIntegerField(), verbose_name=_("上市公司"), default=list)
    asked_by = models.CharField(_("申请人"), max_length=60)
    asked_at = models.DateTimeField(_("申请时间"))
    granted_by = models.CharField(_("批准人"), max_length=60, blank=True)
    granted_at = models.DateTimeField(_("批准时间"), null=True)

    class Meta:
        verbose_name = _("岗位授权")
        verbose_name_plural = _("岗位授权")
        constraints = [
            models.CheckConstraint(
                condition=~Q(granted_by=F("asked_by")), name="role_grant_second_person"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=Q(granted_by=""), name="role_grant_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {' '.join(self.roles)}"


class StaffPass(models.Model):
    """A sign-in link for staff that works once (identity/staff.py); only its hash is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    secret_hash = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"pass of {self.user}"


class InstitutionEntry(models.Model):
    """A nominee's way in (机构入口): opened by staff, works once; only its hash is kept."""

    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    generation = models.PositiveSmallIntegerField()
    secret_hash = models.BinaryField(max_length=32, unique=True)
    account_masked = models.CharField(_("证券账户"), max_length=10)
    issued_by = models.CharField(_("开通人"), max_length=60)
    issued_at = models.DateTimeField(_("开通时间"))
    expires_at = models.DateTimeField(_("有效期至"))
    used_at = models.DateTimeField(_("使用时间"), null=True)

    class Meta:
        verbose_name = _("机构入口")
        verbose_name_plural = _("机构入口")

    def __str__(self) -> str:
        return self.account_masked


class Assertion(models.Model):
    """What an identity provider vouched for (核验结果), taken once; no account, name or face."""

    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    provider = models.CharField(max_length=30)
    level = models.PositiveSmallIntegerField()
    ref_hash = models.BinaryField(max_length=32)
    proved_at = models.DateTimeField()
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "ref_hash"], name="assertion_once")
        ]

    def __str__(self) -> str:
        return f"assertion {self.pk} of {self.provider}"


class Challenge(models.Model):
    """A one-time code sent to a holder's registered phone (身份核验), bound to one browser."""

    holder = models.ForeignKey(
        Holder, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )  # the index below begins with it
    phone_index = models.BinaryField(max_length=16)
    browser_hash = models.BinaryField(max_length=32)
    code_hash = models.BinaryField(max_length=32)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    passed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(tries__lte=5), name="challenge_five_tries"),
        ]
        indexes = [
            models.Index(fields=["holder", "-id"], name="challenge_of_holder"),
            models.Index(fields=["phone_index", "-sent_at"], name="challenge_of_phone"),
        ]

    def __str__(self) -> str:
        return f"challenge {self.pk}"
