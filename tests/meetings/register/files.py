"""Register files for tests: the samples, and small CSVs made row by row."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

from meetings.models import Meeting
from meetings.register.checks import Expectation, ExpectedClass, Stated
from tests.factories import make_issuer, make_meeting

SAMPLES = Path(__file__).parents[2] / "data" / "registers"
RECORD_DATE = date(2026, 6, 23)
HEADERS = (
    "证券代码",
    "证券账户号码",
    "一码通账户号码",
    "持有人名称",
    "证件类型",
    "证件号码",
    "证券类别",
    "流通类型",
    "权益类别",
    "持有数量",
    "联系电话",
)
GOOD_ID, OTHER_ID = "11010519491231002X", "440524188001010014"


def samples() -> list[dict[str, Any]]:
    files = json.loads((SAMPLES / "manifest.json").read_text())["files"]
    assert isinstance(files, list)
    return files


def expectation(**capital: int) -> Expectation:
    classes = capital or {"A": 10**12}
    return Expectation(
        "600000",
        RECORD_DATE,
        tuple(ExpectedClass(number, *item) for number, item in enumerate(classes.items())),
    )


def stated_in(form: dict[str, Any]) -> Stated:
    return Stated(
        form["accounts"],
        form["total_shares"],
        form["shares"],
        form["security_code"],
        date.fromisoformat(form["record_date"]),
    )


def row(account: str, **cells: str) -> str:
    """A line of a CSV: an ordinary holder unless the cells say otherwise."""
    defaults = {
        "code": "600000",
        "account": account,
        "ymt": "",
        "name": "张拟三",
        "id_type": "居民身份证",
        "id_no": GOOD_ID,
        "class_": "普通股",
        "circ": "无限售流通股",
        "right": "无",
        "qty": "100",
        "phone": "15400000001",
    }
    assert cells.keys() <= defaults.keys()
    return ",".join({**defaults, **cells}.values())


def csv_file(*rows: str, headers: tuple[str, ...] = HEADERS) -> io.BytesIO:
    return io.BytesIO("\r\n".join([",".join(headers), *rows, ""]).encode())


def sample_meeting(*, capital: int = 10**12, state: str = "DRAFT") -> Meeting:
    """The meeting of the sample files."""
    meeting = make_meeting(
        state=state,
        motions=False,
        issuer=make_issuer(security_code="600000"),
        meeting_date=date(2026, 6, 26),
        record_date=RECORD_DATE,
    )
    meeting.share_classes.update(capital=capital)
    return meeting
