"""How the personal data of a meeting ends: its purge, step by step, and what may put it off."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from voting_portal.common.constraints import one_of

TIMER = "system:timer"


class Purge(models.Model):
    """The deletion of a meeting's personal data (删除): asked for once, carried out in stages.

    At the end of the period the timer asks, by what two people confirmed with the motions; before
    it one person asks and another approves. A stage that is reached is never left backwards.
    """

    class Cause(models.TextChoices):
        DUE = "DUE", _("保存期满")
        EARLY = "EARLY", _("提前删除")

    class Stage(models.TextChoices):
        ASKED = "ASKED", _("已申请")
        EXPORTED = "EXPORTED", _("已归档并核验")
        KEYS_DESTROYED = "DESTROYED", _("密钥已销毁")
        DROPPED = "DROPPED", _("数据已删除")
        DONE = "DONE", _("已完成")

    meeting = models.OneToOneField(
        Meeting, models.PROTECT, related_name="purge", verbose_name=_("股东会")
    )
    cause = models.CharField(_("原因"), max_length=5, choices=Cause)
    stage = models.CharField(_("阶段"), max_length=9, choices=Stage, default=Stage.ASKED)
    asked_by = models.CharField(_("申请人"), max_length=60)
    asked_at = models.DateTimeField(_("申请时间"))
    approved_by = models.CharField(_("复核人"), max_length=60, blank=True)
    approved_at = models.DateTimeField(_("复核时间"), null=True)
    # Name in the archive -> [bytes, SHA-256]; table -> rows, as they stood before anything ended.
    files = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    wrapping_keys = models.JSONField(default=list)  # the names of those that were destroyed
    exported_at = models.DateTimeField(_("归档时间"), null=True)
    done_at = models.DateTimeField(_("完成时间"), null=True)
    problem = models.CharField(_("问题"), max_length=300, blank=True)
    report = models.TextField(blank=True)  # a signed note

    class Meta:
        verbose_name = _("个人信息删除")
        verbose_name_plural = _("个人信息删除")
        constraints = [
            one_of("cause", "DUE EARLY", name="purge_cause_known"),
            one_of("stage", "ASKED EXPORTED DESTROYED DROPPED DONE", name="purge_stage_known"),
            models.CheckConstraint(
                condition=~Q(approved_by=F("asked_by")), name="purge_second_person"
            ),
            models.CheckConstraint(
                condition=Q(stage="ASKED") | Q(cause="DUE", asked_by=TIMER) | ~Q(approved_by=""),
                name="purge_due_or_approved",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=["ASKED", "EXPORTED"]) | Q(exported_at__isnull=False),
                name="purge_exported_first",
            ),
        ]

    def __str__(self) -> str:
        return f"purge of {self.meeting}"

    @property
    def may_begin(self) -> bool:
        """Whether the period is over or a second person has approved."""
        return self.cause == self.Cause.DUE or bool(self.approved_by)


class Hold(models.Model):
    """A legal hold (暂缓删除): while one is in force nothing of its meeting is destroyed.

    One person places it, at once; another one must lift it.
    """

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, related_name="holds", verbose_name=_("股东会")
    )
    reason = models.CharField(_("原因"), max_length=300)
    placed_by = models.CharField(_("登记人"), max_length=60)
    placed_at = models.DateTimeField(_("登记时间"))
    lifted_by = models.CharField(_("解除人"), max_length=60, blank=True)
    lifted_at = models.DateTimeField(_("解除时间"), null=True)

    class Meta:
        verbose_name = _("暂缓删除")
        verbose_name_plural = _("暂缓删除")
        constraints = [
            models.UniqueConstraint(
                fields=["meeting"], condition=Q(lifted_at=None), name="hold_once"
            ),
            models.CheckConstraint(
                condition=~Q(lifted_by=F("placed_by")), name="hold_lifted_by_second_person"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="hold_has_reason"),
        ]

    def __str__(self) -> str:
        return f"hold on {self.meeting}"
