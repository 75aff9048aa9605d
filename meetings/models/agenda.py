"""What is put to the vote (议程): motions, candidates, papers."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meetings.models.meeting import Meeting, ShareClass
from voting_portal.common.constraints import one_of


class Motion(models.Model):
    """A matter put to the vote (议案): `group.item`, as 1.00, 2.01 or 4.00."""

    class Kind(models.TextChoices):
        PLAIN = "PLAIN", _("非累积投票议案")
        CUMULATIVE = "CUMULATIVE", _("累积投票议案")
        HEADING = "HEADING", _("逐项表决的总标题")

    class Threshold(models.TextChoices):
        ORDINARY = "ORDINARY", _("普通决议")
        SPECIAL = "SPECIAL", _("特别决议")

    class Proposer(models.TextChoices):
        """Who may put a motion on the agenda (Company Law, article 115, and the articles)."""

        BOARD = "BOARD", _("董事会")
        SUPERVISORS = "SUPERVISORS", _("监事会")
        AUDITORS = "AUDITORS", _("审计委员会")
        HOLDERS = "HOLDERS", _("股东")

    meeting = models.ForeignKey(Meeting, models.PROTECT, db_index=False, related_name="motions")
    group = models.PositiveSmallIntegerField(_("序号"))
    item = models.PositiveSmallIntegerField(_("子序号"), default=0)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind, default=Kind.PLAIN)
    threshold = models.CharField(
        _("决议类型"), max_length=8, choices=Threshold, default=Threshold.ORDINARY
    )
    title = models.CharField(_("议案名称"), max_length=300)
    proposer = models.CharField(
        _("提案人"), max_length=11, choices=Proposer, default=Proposer.BOARD
    )
    proposer_name = models.CharField(
        _("提案股东"),
        max_length=120,
        blank=True,
        help_text=_("股东提案填写公告中的名称和持股比例，如“某某集团有限公司（持股3.20%）”"),
    )
    board_opinion = models.CharField(
        _("董事会意见"),
        max_length=300,
        blank=True,
        help_text=_("董事会对他人提案公开表示的意见，一句话，与公告一致；没有则留空"),
    )
    seats = models.PositiveSmallIntegerField(
        _("应选人数"), null=True, blank=True, help_text=_("仅累积投票议案填写")
    )
    share_classes = ArrayField(
        models.CharField(max_length=4, choices=ShareClass.Code),
        verbose_name=_("有权表决的股份类别"),
        default=list,
        blank=True,
        help_text=_("以逗号分隔，如 A,B；空白表示全部类别"),
    )
    is_for_minority_count = models.BooleanField(_("对中小投资者单独计票"), default=False)
    is_dividend = models.BooleanField(_("现金分红分段统计"), default=False)
    exclusive_group = models.CharField(
        _("互斥组"),
        max_length=20,
        blank=True,
        help_text=_("同一事项的不同议案填相同的组名，股东只能同意其中一项"),
    )
    has_dual_threshold = models.BooleanField(_("须中小投资者三分之二同意"), default=False)
    has_class_threshold = models.BooleanField(_("须各类别股东三分之二同意"), default=False)
    is_one_share_one_vote = models.BooleanField(_("特别表决权股份按一股一票"), default=False)

    class Meta:
        verbose_name = _("议案")
        verbose_name_plural = _("议案")
        constraints = [
            one_of("kind", "PLAIN CUMULATIVE HEADING", name="motion_kind_known"),
            one_of("threshold", "ORDINARY SPECIAL", name="motion_threshold_known"),
            one_of("proposer", "BOARD SUPERVISORS AUDITORS HOLDERS", name="motion_proposer_known"),
            models.CheckConstraint(
                condition=Q(proposer="HOLDERS") ^ Q(proposer_name=""),
                name="motion_proposer_name_of_holders",
            ),
            models.CheckConstraint(
                condition=~Q(proposer="BOARD") | Q(board_opinion=""),
                name="motion_opinion_on_others",
            ),
            # Looked at when all is saved: two motions may change places.
            models.UniqueConstraint(
                fields=["meeting", "group", "item"],
                name="motion_number_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(group__gte=1, group__lte=999, item__lte=99), name="motion_number_range"
            ),
            models.CheckConstraint(
                condition=Q(kind="CUMULATIVE", seats__gte=1, item=0)
                | (~Q(kind="CUMULATIVE") & Q(seats__isnull=True)),
                name="motion_seats_when_cumulative",
            ),
            models.CheckConstraint(
                condition=Q(kind="PLAIN")
                | Q(
                    is_dividend=False,
                    exclusive_group="",
                    has_dual_threshold=False,
                    has_class_threshold=False,
                ),
                name="motion_rules_of_plain_motions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"

    @property
    def number(self) -> str:
        """As ballots, files and results name it: `1.00`, `2.01`."""
        return f"{self.group}.{self.item:02d}"


class Candidate(models.Model):
    """Somebody who stands for election in a cumulative motion (候选人)."""

    motion = models.ForeignKey(Motion, models.CASCADE, db_index=False, related_name="candidates")
    item = models.PositiveSmallIntegerField(_("子序号"))
    name = models.CharField(_("姓名"), max_length=60)

    class Meta:
        verbose_name = _("候选人")
        verbose_name_plural = _("候选人")
        constraints = [
            models.UniqueConstraint(fields=["motion", "item"], name="candidate_number_once"),
            models.CheckConstraint(
                condition=Q(item__gte=1, item__lte=99), name="candidate_number_range"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Document(models.Model):
    """A paper of the meeting (会议资料), kept in the database so that every server has it."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="documents")
    motion = models.ForeignKey(
        Motion,
        models.PROTECT,
        related_name="documents",
        null=True,
        blank=True,
        verbose_name=_("议案"),
    )
    title = models.CharField(_("标题"), max_length=120)
    content = models.BinaryField(editable=False)
    size = models.PositiveIntegerField(_("大小（字节）"), editable=False)
    sha256 = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("会议资料")
        verbose_name_plural = _("会议资料")

    def __str__(self) -> str:
        return self.title
