"""Phones that must not be written to, at any meeting (免打扰)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from voting_portal.common.constraints import one_of


class SuppressionKey(models.Model):
    """The portal's own wrapped key for suppressed phones: the one row of its table.

    Apart from the suppressions, so that backups can leave it out; see suppressions.py.
    """

    wrapped = models.BinaryField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="suppression_key_is_one")]

    def __str__(self) -> str:
        return "suppression key"


class Suppression(models.Model):
    """A phone whose holder wants no messages (免打扰), in force until it is lifted."""

    class Reason(models.TextChoices):
        REPLY = "REPLY", _("回复退订")
        REQUEST = "REQUEST", _("股东要求")
        COMPLAINT = "COMPLAINT", _("投诉")
        WRONG = "WRONG", _("号码不是本人")

    phone_index = models.BinaryField(max_length=16)  # under the portal's key, not a meeting's
    phone_masked = models.CharField(_("手机"), max_length=20)
    sealed = models.BinaryField()  # the number; empty once lifted
    reason = models.CharField(_("原因"), max_length=9, choices=Reason)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    added_by = models.CharField(_("登记人"), max_length=60)
    added_at = models.DateTimeField(_("登记时间"))
    lifted_by = models.CharField(_("解除人"), max_length=60, blank=True)
    lifted_at = models.DateTimeField(_("解除时间"), null=True)
    lifting_note = models.CharField(_("解除原因"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("免打扰")
        verbose_name_plural = _("免打扰")
        constraints = [
            one_of("reason", "REPLY REQUEST COMPLAINT WRONG", name="suppression_reason_known"),
            models.UniqueConstraint(
                fields=["phone_index"], condition=Q(lifted_at=None), name="suppression_once"
            ),
        ]

    def __str__(self) -> str:
        return self.phone_masked
