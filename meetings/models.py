"""What is put to the vote, and who is entitled to vote on it.

Rows of `Holder` and `Holding` carry their meeting in their id (voting_portal/common/ids.py); they
live in partitions, one a meeting, that the register's loading makes.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import TypeVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Trim, Upper
from django.utils.translation import gettext_lazy as _

from voting_portal.common import ids
from voting_portal.common.constraints import one_of

_Imported = TypeVar("_Imported", bound=models.Model)


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


class Meeting(models.Model):
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
    title = models.CharField(_("名称"), max_length=60, help_text=_("如:2026年第一次临时股东会"))
    meeting_date = models.DateField(_("召开日期"))
    record_date = models.DateField(_("股权登记日"))
    polls_open_at = models.DateTimeField(_("投票开始"))
    polls_close_at = models.DateTimeField(_("投票截止"))
    polls_sealed_at = models.DateTimeField(_("票箱封存时间"), null=True, editable=False)
    state = models.CharField(
        _("状态"), max_length=17, choices=State, default=State.DRAFT, editable=False
    )
    # Raised by every change that a running process must notice; see live.py.
    revision = models.PositiveIntegerField(default=1, editable=False)
    ordinary_threshold = models.CharField(
        _("普通决议通过标准"),
        max_length=7,
        choices=[("GT_HALF", _("超过二分之一")), ("GE_HALF", _("二分之一以上(含本数)"))],
        default="GT_HALF",
    )
    pct_policy = models.CharField(
        _("比例的尾数处理"),
        max_length=18,
        choices=[
            ("SSE_TRUNC_RESIDUAL", _("上交所公告格式:截位,末项取余")),
            ("HALF_UP", _("四舍五入")),
        ],
        default="SSE_TRUNC_RESIDUAL",
    )
    election_threshold = models.CharField(
        _("累积投票当选标准"),
        max_length=7,
        choices=[("GT_HALF", _("超过出席股份的二分之一")), ("GE_HALF", _("二分之一以上(含本数)"))],
        default="GT_HALF",
    )
    invalid_occupies_slot = models.BooleanField(
        _("其他渠道的无效选举票占用首次投票"),
        default=True,
        help_text=_("取消勾选时,无效的累积投票视为没有投,以后的有效投票仍然计入。"),
    )
    exclusive_policy = models.CharField(
        _("其他渠道对互斥议案同时同意的处理"),
        max_length=11,
        choices=[
            ("ABSTAIN_ALL", _("该组表决均计为弃权")),
            ("INVALID_ALL", _("该组表决均无效")),
            ("FIRST_AGREE", _("最先的同意有效,其余同意计为弃权")),
            ("AS_CAST", _("按所投计票")),
        ],
        default="ABSTAIN_ALL",
    )
    onsite_vote_start = models.TimeField(
        _("现场表决开始时间"),
        default=time(14),
        help_text=_("现场投票文件中没有时间的,按此时间计(北京时间)。"),
    )
    closing_price = models.DecimalField(
        _("股权登记日A股收盘价(元)"),
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("现金分红分段统计用。"),
    )
    insiders_confirmed_by = models.CharField(max_length=60, blank=True, editable=False)
    is_rehearsal = models.BooleanField(
        _("演练"),
        default=False,
        help_text=_("演练会议不受交易日投票时段限制,可提前截止;页面均注明演练,结果不得公布。"),
    )
    notice_url = models.URLField(_("会议公告网址"), blank=True)

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
            one_of("ordinary_threshold", "GT_HALF GE_HALF", name="meeting_threshold_known"),
            one_of("pct_policy", "SSE_TRUNC_RESIDUAL HALF_UP", name="meeting_pct_policy_known"),
            one_of(
                "election_threshold", "GT_HALF GE_HALF", name="meeting_election_threshold_known"
            ),
            one_of(
                "exclusive_policy",
                "ABSTAIN_ALL INVALID_ALL FIRST_AGREE AS_CAST",
                name="meeting_exclusive_policy_known",
            ),
            models.CheckConstraint(
                condition=Q(closing_price__isnull=True) | Q(closing_price__gt=0),
                name="meeting_closing_price_positive",
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

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="share_classes")
    number = models.PositiveSmallIntegerField(editable=False)  # its place in Holder.shares
    code = models.CharField(_("类别"), max_length=4, choices=Code, default=Code.A)
    capital = models.PositiveBigIntegerField(_("已发行股份(股)"))
    voteless_shares = models.PositiveBigIntegerField(
        _("无表决权股份(股)"), default=0, help_text=_("回购专用账户等,不计入有表决权股份总数")
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


class Motion(models.Model):
    """A matter put to the vote (议案): `group.item`, as 1.00, 2.01 or 4.00."""

    class Kind(models.TextChoices):
        PLAIN = "PLAIN", _("非累积投票议案")
        CUMULATIVE = "CUMULATIVE", _("累积投票议案")
        HEADING = "HEADING", _("逐项表决的总标题")

    class Threshold(models.TextChoices):
        ORDINARY = "ORDINARY", _("普通决议")
        SPECIAL = "SPECIAL", _("特别决议")

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="motions")
    group = models.PositiveSmallIntegerField(_("序号"))
    item = models.PositiveSmallIntegerField(_("子序号"), default=0)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind, default=Kind.PLAIN)
    threshold = models.CharField(
        _("决议类型"), max_length=8, choices=Threshold, default=Threshold.ORDINARY
    )
    title = models.CharField(_("议案名称"), max_length=300)
    seats = models.PositiveSmallIntegerField(
        _("应选人数"), null=True, blank=True, help_text=_("仅累积投票议案填写")
    )
    share_classes = ArrayField(
        models.CharField(max_length=4, choices=ShareClass.Code),
        verbose_name=_("有权表决的股份类别"),
        default=list,
        blank=True,
        help_text=_("以逗号分隔,如 A,B;空白表示全部类别"),
    )
    is_for_minority_count = models.BooleanField(_("对中小投资者单独计票"), default=False)
    is_dividend = models.BooleanField(_("现金分红分段统计"), default=False)
    exclusive_group = models.CharField(
        _("互斥组"),
        max_length=20,
        blank=True,
        help_text=_("同一事项的不同议案填相同的组名,股东只能同意其中一项"),
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
            models.UniqueConstraint(fields=["meeting", "group", "item"], name="motion_number_once"),
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

    motion = models.ForeignKey(Motion, models.CASCADE, related_name="candidates")
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
    size = models.PositiveIntegerField(_("大小(字节)"), editable=False)
    sha256 = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("会议资料")
        verbose_name_plural = _("会议资料")

    def __str__(self) -> str:
        return self.title


class ImportProfile(models.Model):
    """How some files name their columns (导入模板): headers and the fields that they mean."""

    name = models.CharField(_("名称"), max_length=60, unique=True)

    class Meta:
        verbose_name = _("导入模板")
        verbose_name_plural = _("导入模板")

    def __str__(self) -> str:
        return self.name


class ImportHeader(models.Model):
    """A header and what it means (表头); it means one thing, whichever profile it stands in."""

    class Field(models.TextChoices):
        SECURITY_CODE = "security_code", _("证券代码")
        ACCOUNT_NO = "account_no", _("证券账户号码")
        YMT_NO = "ymt_no", _("一码通账户号码")
        HOLDER_NAME = "holder_name", _("持有人全称")
        SHORT_NAME = "short_name", _("持有人简称(全称为空时采用)")
        ID_TYPE = "id_type", _("证件类型")
        ID_NO = "id_no", _("证件号码")
        QTY = "qty", _("持有数量")
        SHARE_CLASS = "share_class", _("证券类别")
        CIRC_TYPE = "circ_type", _("流通类型")
        RIGHT_TYPE = "right_type", _("权益类别")
        PHONE = "phone", _("联系电话")
        MOTION = "motion", _("议案序号(名单)")
        GROUP = "group", _("一致行动人组别(名单)")
        # Known, but neither needed nor kept (minimisation).
        FROZEN_QTY = "frozen_qty", _("质押/冻结数量(不采用)")
        HOLDER_TYPE = "holder_type", _("持有人类别(不采用)")
        ADDRESS = "address", _("通讯地址(不采用)")
        ZIP = "zip", _("邮政编码(不采用)")
        RANK = "rank", _("名次(不采用)")
        RATIO = "ratio", _("持有比例(不采用)")

    profile = models.ForeignKey(ImportProfile, models.CASCADE, related_name="headers")
    header = models.CharField(
        _("表头"),
        max_length=40,
        unique=True,
        help_text=_("不分大小写;同一表头只能对应一项内容"),
        error_messages={"unique": _("该表头已对应一项内容。")},
    )
    field = models.CharField(_("内容"), max_length=13, choices=Field)
    # Tells which field of a broken DBF header is the wrong one.
    dbf_width = models.PositiveSmallIntegerField(_("DBF字段宽度"), null=True, blank=True)

    class Meta:
        verbose_name = _("表头")
        verbose_name_plural = _("表头")
        constraints = [
            one_of(
                "field",
                "security_code account_no ymt_no holder_name short_name id_type id_no qty "
                "share_class circ_type right_type phone motion group frozen_qty holder_type "
                "address zip rank ratio",
                name="import_header_field_known",
            ),
            models.CheckConstraint(
                condition=Q(header=Upper(Trim(F("header")))) & ~Q(header=""),
                name="import_header_as_compared",
            ),
        ]

    def __str__(self) -> str:
        return self.header


class ImportedFileManager(models.Manager[_Imported]):
    """Leaves the complete list of faults in the database until somebody downloads it."""

    def get_queryset(self) -> models.QuerySet[_Imported]:
        return super().get_queryset().defer("fault_list")


class ImportedFile(models.Model):
    """A file as it was received and what its checks said: loaded whole or refused whole."""

    file_name = models.CharField(_("文件名"), max_length=255)
    file_size = models.PositiveBigIntegerField(_("文件大小(字节)"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    rows_read = models.PositiveIntegerField(_("读取行数"), default=0)
    rows_loaded = models.PositiveIntegerField(_("载入行数"), default=0)
    rows_refused = models.PositiveIntegerField(_("拒绝行数"), default=0)
    # [{"kind", "row", "line", "column", "value" (masked)}], the first thousand of each sort
    errors = models.JSONField(_("错误"), default=list)
    warnings = models.JSONField(_("警告"), default=list)
    fault_list = models.BinaryField(default=bytes)  # all of them, packed; register/fault_list.py
    uploaded_by = models.CharField(_("上传人"), max_length=60)
    uploaded_at = models.DateTimeField(_("上传时间"))

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(rows_read=F("rows_loaded") + F("rows_refused")),
                name="%(class)s_counts_add_up",
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class Register(ImportedFile):
    """A shareholder register (股东名册) as it was received: what it said, who loaded it."""

    class State(models.TextChoices):
        RECEIVED = "RECEIVED", _("已收到,正在检查")
        REFUSED = "REFUSED", _("未通过检查")
        CHECKED = "CHECKED", _("待复核")
        LOADED = "LOADED", _("已载入")
        REPLACED = "REPLACED", _("已被替换")

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, related_name="registers", verbose_name=_("股东会")
    )
    version = models.PositiveSmallIntegerField(_("版本"))
    state = models.CharField(_("状态"), max_length=8, choices=State)
    # What the side form (报送表) says; empty where it says nothing.
    stated_accounts = models.PositiveIntegerField(_("申报的证券账户数"), null=True)
    stated_shares = models.PositiveBigIntegerField(_("申报的股份总数(股)"), null=True)
    stated_record_date = models.DateField(_("申报的股权登记日"), null=True)
    progress = models.PositiveSmallIntegerField(_("已读取(%)"), default=0)
    tries = models.PositiveSmallIntegerField(default=0)  # to load it in the background
    accounts = models.PositiveIntegerField(_("证券账户数"), default=0)
    holders = models.PositiveIntegerField(_("股东数"), default=0)
    shares = models.JSONField(_("各类别股数"), default=dict)  # {"A": 912780881}
    approved_by = models.CharField(_("复核人"), max_length=60, blank=True)
    approved_at = models.DateTimeField(_("复核时间"), null=True)

    objects = ImportedFileManager["Register"]()

    class Meta:
        verbose_name = _("股东名册")
        verbose_name_plural = _("股东名册")
        indexes = [
            # For the worker that loads what was received.
            models.Index(fields=["id"], name="register_waiting", condition=Q(state="RECEIVED"))
        ]
        constraints = [
            *ImportedFile.Meta.constraints,
            one_of(
                "state", "RECEIVED REFUSED CHECKED LOADED REPLACED", name="register_state_known"
            ),
            models.UniqueConstraint(fields=["meeting", "version"], name="register_version_once"),
            models.UniqueConstraint(
                fields=["meeting"], condition=Q(state="LOADED"), name="register_one_in_force"
            ),
            models.CheckConstraint(
                condition=~Q(approved_by=F("uploaded_by")), name="register_second_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} v{self.version}"


class RegisterPart(models.Model):
    """A piece of a register's file on its way (名册分片), sealed; gone once the file was read."""

    register = models.ForeignKey(Register, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()  # from 0
    sealed = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["register", "number"], name="register_part_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number} of register {self.register_id}"


class ListImport(ImportedFile):
    """A side list (名单) of a meeting as it was received: whom it names, what was wrong with it."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="list_imports")
    kind = models.CharField(_("名单"), max_length=20)  # a key of register/side_lists.py

    objects = ImportedFileManager["ListImport"]()

    class Meta:
        verbose_name = _("名单导入")
        verbose_name_plural = _("名单导入")
        constraints = [*ImportedFile.Meta.constraints]


class HolderQuerySet(models.QuerySet["Holder"]):
    def of_meeting(self, meeting: int) -> HolderQuerySet:
        first, end = ids.holder_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class Holder(models.Model):
    """Somebody who stands on the register (股东): one row for all accounts of one person."""

    class Kind(models.TextChoices):
        INDIVIDUAL = "I", _("个人")
        INSTITUTION = "O", _("机构")
        NOMINEE = "N", _("名义持有人")
        VOTELESS = "V", _("无表决权")

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(_("类别"), max_length=1, choices=Kind)
    name_masked = models.CharField(_("姓名"), max_length=40)
    phone_masked = models.CharField(_("手机"), max_length=20, blank=True)  # blank: not sendable
    # Shares by class: the element at ShareClass.number + 1 (PostgreSQL counts from one).
    shares = ArrayField(models.BigIntegerField(), verbose_name=_("股数"))
    link_generation = models.PositiveSmallIntegerField(default=0)
    person_index = models.BinaryField(max_length=16)  # blind index of who it is, rule E4
    phone_index = models.BinaryField(max_length=16, null=True)
    sealed = models.BinaryField()  # name, ID, phone and accounts; register/records.py

    objects = HolderQuerySet.as_manager()

    class Meta:
        verbose_name = _("股东")
        verbose_name_plural = _("股东")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return self.name_masked

    @property
    def meeting_id(self) -> int:
        return ids.meeting_of(self.pk)

    @property
    def index(self) -> int:
        """The holder's number in the register."""
        return ids.index_of(self.pk)

    def shares_of(self, share_class: int) -> int:
        return self.shares[share_class] if share_class < len(self.shares) else 0


class HoldingQuerySet(models.QuerySet["Holding"]):
    def of_meeting(self, meeting: int) -> HoldingQuerySet:
        first, end = ids.holder_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class Holding(models.Model):
    """Shares of one class in one account (证券账户) at the record date: rows of it summed."""

    id = models.BigIntegerField(primary_key=True)
    holder = models.ForeignKey(
        Holder, models.DO_NOTHING, db_constraint=False, related_name="holdings"
    )
    account_index = models.BinaryField(max_length=16)
    account_masked = models.CharField(_("证券账户"), max_length=10)
    share_class = models.PositiveSmallIntegerField()
    shares = models.BigIntegerField(_("股数"))

    objects = HoldingQuerySet.as_manager()

    class Meta:
        verbose_name = _("持股")
        verbose_name_plural = _("持股")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return self.account_masked


class ListedHolder(models.Model):
    """A holder on a list of the meeting, named by an account.

    The account survives a new version of the register; `holder_id` is found anew each time.
    """

    name = models.CharField(_("股东名称"), max_length=100, help_text=_("与会议公告一致"))
    account_index = models.BinaryField(max_length=16, editable=False)
    account_masked = models.CharField(_("证券账户"), max_length=10, editable=False)
    holder_id = models.BigIntegerField(null=True, editable=False, db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Recusal(ListedHolder):
    """A related holder who must not vote on a motion (回避表决)."""

    motion = models.ForeignKey(Motion, models.CASCADE, related_name="recusals")

    class Meta:
        verbose_name = _("回避表决")
        verbose_name_plural = _("回避表决")
        constraints = [
            models.UniqueConstraint(fields=["motion", "account_index"], name="recusal_once")
        ]


class Insider(ListedHolder):
    """A director or senior manager (董监高), who is no minority holder whatever the holding."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="insiders")

    class Meta:
        verbose_name = _("董监高")
        verbose_name_plural = _("董监高")
        constraints = [
            models.UniqueConstraint(fields=["meeting", "account_index"], name="insider_once")
        ]


class ConcertParty(ListedHolder):
    """A holder who acts in concert with the others of its group (一致行动人)."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="concert_parties")
    group = models.PositiveSmallIntegerField(_("组别"), default=1)

    class Meta:
        verbose_name = _("一致行动人")
        verbose_name_plural = _("一致行动人")
        constraints = [
            models.UniqueConstraint(
                fields=["meeting", "group", "account_index"], name="concert_party_once"
            )
        ]


class KindDecision(ListedHolder):
    """What staff decided a holder is, where the register's name says something else (身份认定)."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="kind_decisions")
    kind = models.CharField(_("类别"), max_length=1, choices=Holder.Kind)

    class Meta:
        verbose_name = _("身份认定")
        verbose_name_plural = _("身份认定")
        constraints = [
            one_of("kind", "I O N V", name="kind_decision_known"),
            models.UniqueConstraint(fields=["meeting", "account_index"], name="kind_decision_once"),
        ]


class MeetingKey(models.Model):
    """A meeting's data key, wrapped by a key-encryption key; see keys.py.

    A table of its own, so that backups can leave it out: without it nothing personal opens.
    """

    class Purpose(models.TextChoices):
        RECORDS = "RECORDS", _("个人信息")
        INDEX = "INDEX", _("盲索引")
        LINKS = "LINKS", _("投票链接")
        CHALLENGES = "CHALLENGES", _("身份核验")

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    wrapped = models.BinaryField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            one_of("purpose", "RECORDS INDEX LINKS CHALLENGES", name="meeting_key_purpose_known"),
            models.UniqueConstraint(fields=["meeting", "purpose"], name="meeting_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of meeting {self.meeting_id}"


class JournalEntry(models.Model):
    """One thing that happened to a meeting (会务日志): append-only by trigger."""

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, related_name="journal", null=True, verbose_name=_("股东会")
    )
    verb = models.CharField(_("事项"), max_length=40)  # "register.approved"
    actor = models.CharField(_("操作者"), max_length=60)  # "operator:3", "system:beat"
    at = models.DateTimeField(_("时间"))
    details = models.JSONField(_("详情"), default=dict)

    class Meta:
        verbose_name = _("会务日志")
        verbose_name_plural = _("会务日志")
        indexes = [models.Index(fields=["meeting", "-id"], name="journal_of_meeting")]

    def __str__(self) -> str:
        return f"{self.verb} {self.actor}"
