"""A meeting (股东会), whose it is and which shares vote at it."""

from __future__ import annotations

from datetime import datetime, time

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models.policies import Policies, policy_constraints
from voting_portal.common import ids
from voting_portal.common.constraints import one_of


class Issuer(models.Model):
    """A listed company (上市公司), whose meetings these are."""

    security_code = models.CharField(
        _("证券代码"), max_length=6, unique=True, validators=[RegexValidator(r"^(60|68|90)\d{4}$")]
    )
    name = models.CharField(_("公司全称"), max_length=100)
    short_name = models.CharField(_("证券简称"), max_length=20)

    class Meta:
        verbose_name = _("上市公司")
        verbose_name_plural = _("上市公司")

    def __str__(self) -> str:
        return f"{self.short_name} {self.security_code}"


class Meeting(Policies):
    """One general meeting (股东会) of one issuer."""

    class Kind(models.TextChoices):
        ANNUAL = "ANNUAL", _("年度股东会")
        EXTRAORDINARY = "EXTRAORDINARY", _("临时股东会")

    class State(models.TextChoices):
        DRAFT = "DRAFT", _("草稿")
        REGISTER_LOADED = "REGISTER_LOADED", _("名册已载入")
        MOTIONS_CONFIRMED = "MOTIONS_CONFIRMED", _("议案已确认")
        INVITED = "INVITED", _("已发通知")
        OPEN = "OPEN", _("投票中")
        CLOSED = "CLOSED", _("投票已截止")
        TALLIED = "TALLIED", _("已计票")
        CERTIFIED = "CERTIFIED", _("结果已确认")
        PUBLISHED = "PUBLISHED", _("结果已公布")
        POSTPONED = "POSTPONED", _("已延期")
        CANCELLED = "CANCELLED", _("已取消")

    issuer = models.ForeignKey(
        Issuer, models.PROTECT, related_name="meetings", verbose_name=_("上市公司")
    )
    kind = models.CharField(_("类型"), max_length=13, choices=Kind, default=Kind.EXTRAORDINARY)
    title = models.CharField(_("名称"), max_length=60, help_text=_("如：2026年第一次临时股东会"))
    meeting_date = models.DateField(_("召开日期"))
    record_date = models.DateField(_("股权登记日"))
    notice_date = models.DateField(
        _("会议通知公告日"),
        null=True,
        blank=True,
        help_text=_("年度股东会召开20日前、临时股东会15日前公告，不含召开当日。"),
    )
    polls_open_at = models.DateTimeField(_("投票开始"))
    polls_close_at = models.DateTimeField(_("投票截止"))
    polls_sealed_at = models.DateTimeField(_("票箱封存时间"), null=True, editable=False)
    state = models.CharField(
        _("状态"), max_length=17, choices=State, default=State.DRAFT, editable=False
    )
    # Raised by every change that a running process must notice; see live.py.
    revision = models.PositiveIntegerField(default=1, editable=False)
    onsite_vote_start = models.TimeField(
        _("现场表决开始时间"),
        default=time(14),
        help_text=_("现场投票文件中没有时间的，按此时间计（北京时间），除非另有选择。"),
    )
    closing_price = models.DecimalField(
        _("A股收盘价（元）"),
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("现金分红分段统计用。"),
    )
    # Who took the steps that need two people: confirmed and invited, certified and published.
    confirmed_by = models.CharField(max_length=60, blank=True, editable=False)
    invited_by = models.CharField(max_length=60, blank=True, editable=False)
    certified_by = models.CharField(max_length=60, blank=True, editable=False)
    published_by = models.CharField(max_length=60, blank=True, editable=False)
    insiders_confirmed_by = models.CharField(max_length=60, blank=True, editable=False)
    strong_from_percent = models.DecimalField(
        _("须二级核验的持股比例（%）"),
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_(
            "持有某一类股份达到该比例的股东，须经证券公司或实名核验后投票；空白表示都只需短信验证码。"
        ),
    )
    is_rehearsal = models.BooleanField(
        _("演练"),
        default=False,
        help_text=_("演练会议不受交易日投票时段限制，可提前截止；页面均注明演练，结果不得公布。"),
    )
    notice_url = models.URLField(_("会议公告网址"), blank=True)
    retention_days = models.PositiveSmallIntegerField(
        _("个人信息保存天数"),
        default=30,
        help_text=_("自结果公布（或取消、延期、演练截止）起算，期满自动销毁密钥并删除个人信息。"),
    )
    # When its keys were destroyed; from then on only what is public of it can be read.
    purged_at = models.DateTimeField(_("个人信息删除时间"), null=True, editable=False)

    class Meta:
        verbose_name = _("股东会")
        verbose_name_plural = _("股东会")
        constraints = [
            one_of("kind", "ANNUAL EXTRAORDINARY", name="meeting_kind_known"),
            one_of(
                "state",
                "DRAFT REGISTER_LOADED MOTIONS_CONFIRMED INVITED OPEN CLOSED TALLIED CERTIFIED "
                "PUBLISHED POSTPONED CANCELLED",
                name="meeting_state_known",
            ),
            *policy_constraints(),
            models.CheckConstraint(
                condition=Q(closing_price__isnull=True) | Q(closing_price__gt=0),
                name="meeting_closing_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(strong_from_percent__isnull=True)
                | Q(strong_from_percent__gte=0, strong_from_percent__lte=100),
                name="meeting_strong_from_percent",
            ),
            models.CheckConstraint(
                condition=Q(id__gt=0, id__lte=ids.MAX_MEETING), name="meeting_id_fits_links"
            ),
            models.CheckConstraint(
                condition=Q(polls_open_at__lt=F("polls_close_at")), name="meeting_polls_in_order"
            ),
            models.CheckConstraint(
                condition=Q(record_date__lte=F("meeting_date")), name="meeting_record_date_before"
            ),
            models.CheckConstraint(
                condition=Q(invited_by="") | ~Q(invited_by=F("confirmed_by")),
                name="meeting_invited_by_second_person",
            ),
            models.CheckConstraint(
                condition=Q(published_by="") | ~Q(published_by=F("certified_by")),
                name="meeting_published_by_second_person",
            ),
            models.CheckConstraint(
                condition=Q(retention_days__gte=1, retention_days__lte=3650),
                name="meeting_retention_days",
            ),
            models.CheckConstraint(
                condition=~Q(is_rehearsal=True, state="PUBLISHED"),
                name="meeting_rehearsal_never_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.issuer} {self.title}"

    def polls_are_open(self, *, at: datetime) -> bool:
        """Whether a ballot received at that time counts; both ends of the window are closed."""
        return (
            self.state in (self.State.INVITED, self.State.OPEN)
            and self.polls_sealed_at is None
            and self.polls_open_at <= at <= self.polls_close_at
        )


class ShareClass(models.Model):
    """A class of shares (股份类别) of one meeting, with its votes per share."""

    class Code(models.TextChoices):
        A = "A", _("A股")
        B = "B", _("B股")
        SVR = "SVR", _("特别表决权股份")
        PREF = "PREF", _("优先股")

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="share_classes"
    )
    number = models.PositiveSmallIntegerField(editable=False)  # its place in Holder.shares
    code = models.CharField(_("类别"), max_length=4, choices=Code, default=Code.A)
    capital = models.PositiveBigIntegerField(_("已发行股份（股）"))
    voteless_shares = models.PositiveBigIntegerField(
        _("无表决权股份（股）"), default=0, help_text=_("回购专用账户等，不计入有表决权股份总数")
    )
    votes_per_share = models.PositiveSmallIntegerField(_("每股表决权"), default=1)

    class Meta:
        verbose_name = _("股份类别")
        verbose_name_plural = _("股份类别")
        constraints = [
            one_of("code", "A B SVR PREF", name="share_class_code_known"),
            models.UniqueConstraint(fields=["meeting", "code"], name="share_class_once"),
            models.UniqueConstraint(fields=["meeting", "number"], name="share_class_number_once"),
            models.CheckConstraint(condition=Q(number__lt=8), name="share_class_number_fits_id"),
            models.CheckConstraint(
                condition=Q(voteless_shares__lte=F("capital")),
                name="share_class_voteless_in_capital",
            ),
            models.CheckConstraint(
                condition=Q(votes_per_share__gte=1, votes_per_share__lte=10),
                name="share_class_votes_per_share",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_code_display())
