"""The tables of the announcement (决议公告) as page, XLSX and CSV show them.

Headings follow the exchange's form of announcement. Numbers are votes; texts that a spreadsheet
would take for a formula are written as text.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import xlsxwriter
from django.utils.translation import gettext as _

from meetings.agenda import Agenda
from meetings.models import ShareClass

Cell = str | int
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Table:
    """A heading, the names of the columns, and rows of as many cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tables(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """Attendance, motions, elections; a table without rows is left out."""
    all_tables = [_attendance(content), _plain(agenda, content), *_elections(agenda, content)]
    return [table for table in all_tables if table.rows]


def as_xlsx(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """A workbook with one sheet a table; identifiers are text, votes are numbers."""
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        heading = book.add_format({"bold": True, "font_size": 14})
        head = book.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F7"})
        text = book.add_format({"border": 1, "num_format": "@", "text_wrap": True})
        number = book.add_format({"border": 1, "num_format": "#,##0"})
        for place, table in enumerate(tables(agenda, content), start=1):
            sheet = book.add_worksheet(f"{place} {table.title}"[:31])
            sheet.write_string(0, 0, _heading(agenda, table), heading)
            sheet.freeze_panes(3, 0)
            for column, name in enumerate(table.columns):
                sheet.write_string(2, column, name, head)
                width = max(len(str(row[column])) for row in table.rows)
                sheet.set_column(column, column, min(60, 2 * max(width, len(name)) + 2))
            for line, row in enumerate(table.rows, start=3):
                for column, cell in enumerate(row):
                    if isinstance(cell, int):
                        sheet.write_number(line, column, cell, number)
                    else:
                        sheet.write_string(line, column, cell, text)
    return target.getvalue()


def as_csv(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """The same tables one below the other, UTF-8 with BOM as Excel in China expects."""
    target = io.StringIO()
    writer = csv.writer(target)
    for table in tables(agenda, content):
        writer.writerow([_harmless(_heading(agenda, table))])
        writer.writerow(table.columns)
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
        writer.writerow([])
    return target.getvalue().encode("utf-8-sig")


def _heading(agenda: Agenda, table: Table) -> str:
    rehearsal = _("(演练)") if agenda.is_rehearsal else ""
    return f"{agenda.issuer_name} {agenda.title}{rehearsal} {table.title}"


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def _attendance(content: dict[str, Any]) -> Table:
    attendance = content["attendance"]
    rows: list[tuple[Cell, ...]] = [
        (_("合计"), attendance["holders"], attendance["votes"], attendance["ratio"])
    ]
    rows += [
        (_class_name(code), figures["holders"], figures["votes"], figures["ratio"])
        for code, figures in attendance["classes"].items()
    ]
    columns = (
        _("股东类型"),
        _("出席会议的股东和代理人人数"),
        _("所持有表决权数量"),
        _("占公司表决权总数的比例(%)"),
    )
    return Table(_("出席情况"), columns, tuple(rows))


def _plain(agenda: Agenda, content: dict[str, Any]) -> Table:
    rows = []
    for motion in agenda.motions:
        result = content["motions"].get(motion.number)
        if result is None or motion.is_cumulative:
            continue
        outcome = outcome_name(result["outcome"])
        kind = _("特别决议") if motion.is_special else _("普通决议")
        lines = [(_class_name(code), f) for code, f in result["classes"].items()]
        lines.append((_("普通股合计"), result["total"]))
        rows += [
            (motion.number, motion.title, kind, name, *_opinions(figures), outcome)
            for name, figures in lines
        ]
    columns = (
        _("议案序号"),
        _("议案名称"),
        _("决议类型"),
        _("股东类型"),
        _("同意票数"),
        _("同意比例(%)"),
        _("反对票数"),
        _("反对比例(%)"),
        _("弃权票数"),
        _("弃权比例(%)"),
        _("审议结果"),
    )
    return Table(_("非累积投票议案"), columns, tuple(rows))


def _elections(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    rows: list[tuple[Cell, ...]] = []
    for motion in agenda.motions:
        if not motion.is_cumulative:
            continue
        candidates = content["motions"][motion.number]["candidates"]
        for candidate in motion.candidates:
            figures = candidates[candidate.number]
            elected = _("是") if figures["elected"] else _("否")
            if figures["tie"]:
                elected = _("票数相等,待再次选举")
            name = f"{motion.title} {candidate.name}"
            rows.append((candidate.number, name, figures["votes"], figures["ratio"], elected))
    columns = (
        _("议案序号"),
        _("议案名称"),
        _("得票数"),
        _("得票数占出席会议有效表决权的比例(%)"),
        _("是否当选"),
    )
    return [Table(_("累积投票议案表决情况"), columns, tuple(rows))]


def _opinions(figures: dict[str, Any]) -> tuple[Cell, ...]:
    names = ("for", "for_pct", "against", "against_pct", "abstain", "abstain_pct")
    return tuple(figures[name] for name in names)


def outcome_name(outcome: str) -> str:
    return {"passed": _("通过"), "rejected": _("不通过")}[outcome]


def _class_name(code: str) -> str:
    return str(ShareClass.Code(code).label)
