"""How registers name their columns (导入模板): header aliases and the fields that they mean.

Two layouts are known: the older one of HST* field codes and the current one of Chinese headers.
Their codes are a working assumption until an issuer's real T1 file is at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meetings.register.findings import Finding, Unreadable

MANDATORY = ("security_code", "account_no", "holder_name", "qty")
SHORT_NAME, FULL_NAME = "HSTGDXM", "HSTGDQC"

# field -> the headers that mean it
ALIASES = {
    "security_code": ("证券代码", "股票代码", "ZQDM", "HSTTGDM"),
    "account_no": ("证券账户号码", "股东代码", "股东账号", "证券账户", "ZQZH", "HSTGDDM"),
    "ymt_no": ("一码通账户号码", "一码通", "YMTZH"),
    "holder_name": ("持有人名称", "股东名称", "持有人全称", FULL_NAME, SHORT_NAME),
    "id_type": ("证件类型", "ZJLB"),
    "id_no": ("证件号码", "身份证明文件号码", "ZJHM"),
    "qty": ("持有数量", "持股数量", "持股总数", "CYSL", "HSTCYSL"),
    "share_class": ("证券类别", "股份类别", "HSTZQLB"),
    "circ_type": ("流通类型", "股份性质", "HSTLTLX"),
    "right_type": ("权益类别", "HSTQYLB"),
    "phone": ("联系电话", "手机号码", "移动电话", "LXDH"),
}
# Known, but neither needed nor kept (minimisation).
UNUSED = {
    "frozen_qty": ("质押/冻结总数",),
    "holder_type": ("持有人类别",),
    "address": ("通讯地址", "HSTTXDZ"),
    "zip": ("邮政编码",),
    "rank": ("名次", "序号", "名次/序号"),
    "ratio": ("持有比例",),
}
# Field widths of the HST* layout: they tell which field of a broken header is the wrong one.
DBF_WIDTHS = {
    "HSTGDDM": 10,
    "HSTTGDM": 9,
    "HSTZQLB": 2,
    "HSTLTLX": 1,
    "HSTQYLB": 2,
    "HSTCYSL": 11,
    "HSTGDXM": 12,
    "HSTGDQC": 80,
    "YMTZH": 12,
    "ZJLB": 2,
    "ZJHM": 40,
    "LXDH": 20,
    "HSTTXDZ": 40,
}
_FIELDS = {
    alias: field for table in (ALIASES, UNUSED) for field, names in table.items() for alias in names
}


@dataclass(frozen=True)
class Layout:
    """Where a file has which field: positions of its columns from 0."""

    headers: tuple[str, ...]
    columns: dict[str, int]
    short_name: int | None  # a second column for the name, used where the full one is blank
    unknown: tuple[str, ...]

    def field_at(self, position: int) -> str:
        """How a finding names the column at a position."""
        header = self.headers[position] if position < len(self.headers) else ""
        return field_of(header) or _shown(header)


def field_of(header: str) -> str | None:
    """The field that a header means; blanks round it and letter case do not matter."""
    return _FIELDS.get(header.strip().upper())


def recognise(headers: Sequence[str], *, line: int | None) -> Layout:
    """The layout of a file with these headers, or Unreadable: a field is missing or there twice."""
    columns: dict[str, int] = {}
    short_name = None
    for position, header in enumerate(headers):
        field = field_of(header)
        if field is None or field in UNUSED:
            continue
        if field not in columns:
            columns[field] = position
        elif short_name is None and _are_both_names(header, headers[columns[field]]):
            short_name, columns[field] = columns[field], position
            if header.strip().upper() == SHORT_NAME:
                short_name, columns[field] = columns[field], short_name
        else:
            raise Unreadable(Finding("DUPLICATE_COLUMN", line=line, column=field))
    if missing := [field for field in MANDATORY if field not in columns]:
        raise Unreadable(*(Finding("MISSING_COLUMN", line=line, column=field) for field in missing))
    unknown = tuple(_shown(h) for h in headers if h.strip() and field_of(h) is None)
    return Layout(tuple(headers), columns, short_name, unknown)


def _shown(header: str) -> str:
    """As much of an unknown header as a list of faults needs."""
    return "".join(c if c.isprintable() else " " for c in header[:40]).strip()


def _are_both_names(*headers: str) -> bool:
    return {header.strip().upper() for header in headers} == {SHORT_NAME, FULL_NAME}
