"""Who is who: exchange staff and secretaries as users, holders as challenges that they passed."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Holder, Issuer
from voting_portal.common.constraints import one_of


class User(AbstractUser):
    """Exchange staff (Operator, 会务人员) or a company's secretary (Secretary, 董秘)."""

    class Role(models.TextChoices):
        OPERATOR = "OPERATOR", _("交易所会务人员")
        SECRETARY = "SECRETARY", _("董事会秘书")

    role = models.CharField(_("角色"), max_length=9, choices=Role, default=Role.SECRETARY)
    issuers = models.ManyToManyField(
        Issuer, blank=True, verbose_name=_("上市公司"), related_name="secretaries"
    )

    class Meta:
        verbose_name = _("用户")
        verbose_name_plural = _("用户")
        constraints = [
            one_of("role", "OPERATOR SECRETARY", name="user_role_known"),
            models.CheckConstraint(
                condition=Q(is_staff=False) | Q(role="OPERATOR"), name="user_staff_are_operators"
            ),
        ]

    @property
    def actor(self) -> str:
        """How the journal names this person."""
        return f"{self.role.lower()}:{self.pk}"


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


class Challenge(models.Model):
    """A one-time code sent to a holder's registered phone (身份核验), bound to one browser."""

    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
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
