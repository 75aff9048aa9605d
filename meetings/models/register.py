"""The shareholder register (股东名册): its files, the holders on it and what they hold.

Rows of `Holder` and `Holding` carry their meeting in their id (voting_portal/common/ids.py); they
live in partitions, one a meeting, that the register's loading makes.
"""

from __future__ import annotations

from typing import TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from meetings.models.meeting import Meeting
from voting_portal.common import ids
from voting_portal.common.constraints import one_of

_Imported = TypeVar("_Imported", bound=models.Model)


class ImportedFileManager(models.Manager[_Imported]):
    """Leaves the complete list of faults in the database until somebody downloads it."""

    def get_queryset(self) -> models.QuerySet[_Imported]:
        return super().get_queryset().defer("fault_list")


class ImportedFile(models.Model):
    """A file as it was received and what its checks said: loaded whole or refused whole."""

    file_name = models.CharField(_("文件名"), max_length=255)
    file_size = models.PositiveBigIntegerField(_("文件大小（字节）"))
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
        RECEIVED = "RECEIVED", _("已收到，正在检查")
        REFUSED = "REFUSED", _("未通过检查")
        CHECKED = "CHECKED", _("待复核")
        LOADED = "LOADED", _("已载入")
        REPLACED = "REPLACED", _("已被替换")

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="registers", verbose_name=_("股东会")
    )
    version = models.PositiveSmallIntegerField(_("版本"))
    state = models.CharField(_("状态"), max_length=8, choices=State)
    # What the side form (报送表) says; empty where it says nothing.
    stated_accounts = models.PositiveIntegerField(_("申报的证券账户数"), null=True)
    stated_shares = models.PositiveBigIntegerField(_("申报的股份总数（股）"), null=True)
    stated_record_date = models.DateField(_("申报的股权登记日"), null=True)
    progress = models.PositiveSmallIntegerField(_("已读取（%）"), default=0)
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
            models.CheckConstraint(
                condition=~Q(state__in=["LOADED", "REPLACED"]) | ~Q(approved_by=""),
                name="register_in_force_is_approved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} v{self.version}"


class RegisterPart(models.Model):
    """A piece of a register's file on its way (名册分片), sealed; gone once the file was read."""

    register = models.ForeignKey(Register, models.CASCADE, db_index=False, related_name="parts")
    number = models.PositiveIntegerField()  # from 0
    sealed = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["register", "number"], name="register_part_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number} of register {self.register_id}"


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
