"""What can be wrong with a file of votes, in words for the person who has to mend it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

KEPT_OF_A_KIND = 1_000

# kind -> why and what to do
KINDS = {
    "ACCOUNT_FORMAT": _("证券账户应为字母加9位数字，如A123456789。"),
    "BLANK_VALUE": _("必填项为空，请补全。"),
    "DECLARED_DIFFERS": _("同一张表决票的受托股份数前后不一，请核对。"),
    "MISSING_COLUMN": _("缺少必需的列：证券账户、议案序号。"),
    "DUPLICATE_COLUMN": _("同一内容有两列，请删去一列。"),
    "NOT_A_NUMBER": _("应为不带小数、逗号和负号的数字，最多18位。"),
    "NO_ROWS": _("文件没有任何一行。"),
    "OPINION": _("议案须填同意、反对或弃权（名义持有人填三项股数），候选人须填票数。"),
    "REPEATED_MOTION": _("同一张表决票中该议案或候选人出现两次。"),
    "REPEATED_SEQ": _("受理序号在本文件或此前导入的文件中已用于另一张表决票。"),
    "SUFFIX": _("请上传CSV、TXT（制表符）或XLSX文件。"),
    "TIME": _("时间应为HH:MM:SS或YYYY-MM-DD HH:MM:SS的文本，仅现场投票可以不填。"),
    "UNKNOWN_CLASS": _("该股份类别不属于本次会议；有几个类别时须填写。"),
    "UNKNOWN_MOTION": _("议程中没有这个可表决的议案或候选人。"),
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the file: `row` is the data row, `line` that of the file, from 1."""

    kind: str
    row: int | None = None
    line: int | None = None
    column: str = ""
    value: str = ""  # masked
    reason: str = ""

    @classmethod
    def of(cls, kind: str, **place: Any) -> Fault:
        return cls(kind=kind, reason=str(KINDS[kind]), **place)


@dataclass
class Faults:
    """All faults counted, the first thousand of each kind kept."""

    kept: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    rows: set[int] = field(default_factory=set)

    def add(self, fault: Fault) -> None:
        self.counts[fault.kind] += 1
        if self.counts[fault.kind] <= KEPT_OF_A_KIND:
            self.kept.append(fault)


class Unfit(Exception):
    """A cell that cannot be taken in."""

    def __init__(self, kind: str, column: str, value: str = "") -> None:
        super().__init__(kind)
        self.kind, self.column, self.value = kind, column, value
