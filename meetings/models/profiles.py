"""How the files that companies bring name their columns (导入模板)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Trim, Upper
from django.utils.translation import gettext_lazy as _

from voting_portal.common.constraints import one_of


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
        SHORT_NAME = "short_name", _("持有人简称（全称为空时采用）")
        ID_TYPE = "id_type", _("证件类型")
        ID_NO = "id_no", _("证件号码")
        QTY = "qty", _("持有数量")
        SHARE_CLASS = "share_class", _("证券类别")
        CIRC_TYPE = "circ_type", _("流通类型")
        RIGHT_TYPE = "right_type", _("权益类别")
        PHONE = "phone", _("联系电话")
        MOTION = "motion", _("议案序号（名单）")
        GROUP = "group", _("一致行动人组别（名单）")
        # Known, but neither needed nor kept (minimisation).
        FROZEN_QTY = "frozen_qty", _("质押/冻结数量（不采用）")
        HOLDER_TYPE = "holder_type", _("持有人类别（不采用）")
        ADDRESS = "address", _("通讯地址（不采用）")
        ZIP = "zip", _("邮政编码（不采用）")
        RANK = "rank", _("名次（不采用）")
        RATIO = "ratio", _("持有比例（不采用）")

    profile = models.ForeignKey(ImportProfile, models.CASCADE, related_name="headers")
    header = models.CharField(
        _("表头"),
        max_length=40,
        unique=True,
        help_text=_("不分大小写；同一表头只能对应一项内容"),
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
