"""What can be wrong with a register, in words for the person who has to mend it (检查结果)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from voting_portal.common import masking

WARNINGS = frozenset(
    {
        *(
            "ALREADY_LISTED",
            "FILE_NAME",
            "ID_CHECKSUM",
            "ID_DATE",
            "NAME_SUSPICIOUS",
            "NAME_TRUNCATED",
        ),
        *("NOT_ON_REGISTER", "UNKNOWN_COLUMN"),
    }
)

# kind -> why, what to do
KINDS = {
    "AFTER_INVITATION": (
        _("会议通知已发出，名册不能再更换。"),
        _("如名册确有错误，请延期或取消会议。"),
    ),
    "ALREADY_LISTED": (_("该账户已在名单中。"), _("仅作提示：不重复登记。")),
    "CANNOT_LOAD": (
        _("系统多次未能载入该文件。"),
        _("请联系运维人员查看日志，然后重新上传。"),
    ),
    "ACCOUNT_FORMAT": (
        _("账户号码不符合格式。"),
        _("证券账户为字母加9位数字（如A123456789），一码通为12位数字；请向中国结算重新导出。"),
    ),
    "BLANK_VALUE": (_("必填项为空。"), _("补全后重新上传。")),
    "CLASS_NOT_OF_MEETING": (
        _("该证券类别不属于本次会议。"),
        _("核对名册，或在会议中补充该股份类别。"),
    ),
    "DBF_SIZE": (_("文件大小与DBF文件头的记录数不符。"), _("文件可能被截断，请重新下载。")),
    "DBF_STRUCTURE": (_("DBF文件头前后矛盾。"), _("请向中国结算重新导出，不要用其他软件另存。")),
    "DUPLICATE_COLUMN": (_("同一内容有两列。"), _("删去多余的一列后重新上传。")),
    "DUPLICATE_ROW": (
        _("同一证券账户、类别、流通类型和权益类别出现两次。"),
        _("核对是否重复导出，保留一行。"),
    ),
    "EMPTY_FILE": (_("文件是空的。"), _("请重新下载后上传。")),
    "ENCODING": (
        _("文字编码有误：既不是UTF-8也不是GB18030。"),
        _("用原始文件上传，或另存为UTF-8。"),
    ),
    "FIELD_TOO_LONG": (_("内容超过1000个字符。"), _("核对该列是否错位。")),
    "FILE_NAME": (
        _("文件名中的证券代码或日期与会议不符。"),
        _("仅作提示：核对是否选错了会议或文件。"),
    ),
    "FORMULA_CELL": (_("单元格是公式。"), _("在Excel中选择性粘贴为数值后重新上传。")),
    "ID_CHECKSUM": (_("证件号码的校验位不符。"), _("仅作提示：以名册为准，可与公司核对。")),
    "ID_DATE": (_("15位身份证号码中的日期不存在。"), _("仅作提示：以名册为准，可与公司核对。")),
    "MISSING_COLUMN": (
        _("缺少必需的列。"),
        _("需要证券代码、证券账户号码、持有人名称和持有数量四列。"),
    ),
    "GROUP_FORMAT": (_("组别不是1至999的整数。"), _("同一组一致行动人填相同的数字。")),
    "NAME_SUSPICIOUS": (
        _("名称以公式符号开头或含有尖括号。"),
        _("仅作提示：原样保存，页面与导出文件中已作处理。"),
    ),
    "NAME_TRUNCATED": (
        _("名称末尾有半个汉字，已去掉。"),
        _("仅作提示：建议使用含持有人全称的名册。"),
    ),
    "NOT_A_REGISTER": (
        _("内容不是扩展名所说的格式。"),
        _("请上传DBF、CSV、TXT（制表符）、XLSX或其ZIP。"),
    ),
    "NOT_ON_REGISTER": (
        _("名册中没有这个账户。"),
        _("仅作提示：核对账户号码，或待名册启用后再看。"),
    ),
    "NO_ROWS": (_("文件没有任何一行数据。"), _("核对导出条件后重新上传。")),
    "NO_SUCH_MOTION": (_("本次会议没有这个议案。"), _("议案序号写作1、1.00或2.01，与议程一致。")),
    "NUL_BYTE": (_("文字中夹有空字节。"), _("请重新导出，不要用其他软件另存。")),
    "NUMERIC_ID_CELL": (
        _("证件号码或一码通是数字单元格，Excel只保留15位。"),
        _("将该列设为文本格式，从原始数据重新填入。"),
    ),
    "OVER_CAPITAL": (_("持股合计超过已发行股份。"), _("核对会议的股本，或向中国结算重新导出。")),
    "PHONE_FORMAT": (_("手机号码不是1开头的11位数字。"), _("固定电话不能接收短信，请删去该行。")),
    "QTY_FORMAT": (_("持有数量不是整数。"), _("只能用数字，不带逗号、加号和单位。")),
    "QTY_FRACTION": (_("持有数量带小数。"), _("持有数量须为整数股。")),
    "QTY_NEGATIVE": (_("持有数量为负。"), _("核对该行。")),
    "QTY_OVERFLOW": (_("持有数量超过15位。"), _("核对该行是否错位。")),
    "QTY_ZERO": (_("持有数量为零。"), _("删去未持股的行。")),
    "RAGGED_ROW": (
        _("该行的列数与表头不同。"),
        _("核对该行是否缺少分隔符，含逗号的内容须加引号。"),
    ),
    "RECORD_DATE_MISMATCH": (
        _("股权登记日与会议不符。"),
        _("核对会议的股权登记日和名册的登记日。"),
    ),
    "TOTAL_ACCOUNTS": (_("证券账户数与申报的不符。"), _("核对申报的户数，或重新导出名册。")),
    "TOTAL_CLASS": (_("该类别持股合计与申报的不符。"), _("核对申报的股数，或重新导出名册。")),
    "TOTAL_SHARES": (_("持股合计与申报的不符。"), _("核对申报的股数，或重新导出名册。")),
    "UNKNOWN_COLUMN": (_("该列未使用。"), _("仅作提示：核对表头是否写错。")),
    "UNCLOSED_QUOTE": (_("引号没有配对。"), _("内容中的引号须写成两个引号。")),
    "WRONG_SECURITY_CODE": (_("证券代码不是本次会议的。"), _("核对是否选错了会议或文件。")),
    "XLSX_STRUCTURE": (_("XLSX文件已损坏。"), _("用Excel打开并另存后重新上传。")),
    "XLSX_TOO_LARGE": (
        _("XLSX展开后过大，或大小与声明不符。"),
        _("去掉多余的工作表和格式，或改用CSV。"),
    ),
    "XML_ENTITY": (_("XLSX中含有DOCTYPE或实体。"), _("该文件不是Excel生成的，请勿使用。")),
    "ZIP_CONTENT": (_("压缩包须只含一份名册。"), _("每次上传一份名册，不加密，不带目录跳转。")),
    "ZIP_TOO_LARGE": (
        _("压缩包展开后过大，或大小与声明不符。"),
        _("请直接上传未压缩的文件。"),
    ),
}

_MASKS = {
    "account_no": masking.mask_account,
    "holder_name": masking.mask_name,
    "phone": masking.mask_phone,
}


@dataclass(frozen=True)
class Finding:
    """One fault: `row` is the data record, `line` the physical line or sheet row, both from 1.

    `column` is a canonical field of profiles.py, or the header as written for other columns.
    `value` is masked and fit for a screen.
    """

    kind: str
    row: int | None = None
    line: int | None = None
    column: str | None = None
    value: str = ""
    first_row: int | None = None  # of a duplicate: the row that it repeats

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    @property
    def is_warning(self) -> bool:
        return self.kind in WARNINGS

    @property
    def reason(self) -> str:
        return str(KINDS[self.kind][0])

    @property
    def remedy(self) -> str:
        return str(KINDS[self.kind][1])

    def as_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k != "first_row" or v is not None}


class Unreadable(Exception):
    """Nothing can be read from here on; `findings` say where and why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(*(finding.kind for finding in findings))
        self.findings = findings


def with_reasons(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings as a register keeps them, with why and what to do in the reader's language."""
    return [
        {
            **finding,
            "reason": str(KINDS[finding["kind"]][0]),
            "remedy": str(KINDS[finding["kind"]][1]),
        }
        for finding in findings
    ]


def mask_value(column: str, value: str) -> str:
    """What a list of faults may show of a cell; columns may be shifted, so long ones are cut."""
    value = "".join(c if c.isprintable() else " " for c in value[:40])
    if mask := _MASKS.get(column):
        return mask(value)
    return value if len(value) <= 7 else masking.mask_id_number(value)
