"""What the announcement's tables say (决议公告各表), with the headings that the exchange fixes.

They differ for the main board, for a company with B shares, and for STAR (科创板), where votes are
not the same as shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from ballots.results import SEGMENTS
from meetings.agenda import Agenda, MotionPaper
from meetings.models import Meeting, ShareClass

Cell = str | int
Row = tuple[Cell, ...]
STAR_CODES = ("688", "689")
NAMES = ("for", "for_pct", "against", "against_pct", "abstain", "abstain_pct")


@dataclass(frozen=True)
class Table:
    """A heading, the names of the columns, and rows of as many cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def attendance(agenda: Agenda, content: dict[str, Any]) -> Table:
    """Who came, with how much, of how much: the lines of the three headings, by class below."""
    figures = content["attendance"]
    lines = _attendance_lines(agenda)
    rows: list[Row] = []
    for name, (whole, by_class) in lines.items():
        rows.append((whole, figures[name]))
        rows += [
            (label, figures["classes"][code][name])
            for code, label in by_class.items()
            if code in figures["classes"]
        ]
    if preferred := figures["classes"].get(ShareClass.Code.PREF):
        rows.append((_("出席会议的优先股股东人数"), preferred["holders"]))
        rows.append((_("出席会议的优先股股东所持有表决权数量"), preferred["votes"]))
        rows.append((_("占优先股表决权总数的比例(%)"), preferred["ratio"]))
    return Table(_("出席情况"), (_("项目"), _("数值")), tuple(rows))


def _attendance_lines(agenda: Agenda) -> dict[str, tuple[str, dict[str, str]]]:
    if is_star(agenda):
        special = "SVR"
        return {
            "holders": (
                _("1、出席会议的股东和代理人人数"),
                {"A": _("普通股股东人数"), special: _("特别表决权股东人数")},
            ),
            "votes": (
                _("2、出席会议的股东所持有的表决权数量"),
                {
                    "A": _("普通股股东所持有表决权数量"),
                    special: _("特别表决权股东所持有表决权数量"),
                },
            ),
            "ratio": (
                _("3、出席会议的股东所持有表决权数量占公司表决权数量的比例(%)"),
                {
                    "A": _("普通股股东所持有表决权数量占公司表决权数量的比例(%)"),
                    special: _("特别表决权股东所持有表决权数量占公司表决权数量的比例(%)"),
                },
            ),
        }
    has_b = _has(agenda, ShareClass.Code.B)
    return {
        "holders": (
            _("1、出席会议的股东和代理人人数"),
            {"A": _("其中:A股股东人数"), "B": _("境内上市外资股股东人数(B股)")} if has_b else {},
        ),
        "votes": (
            _("2、出席会议的股东所持有表决权的股份总数(股)"),
            {
                "A": _("其中:A股股东持有股份总数"),
                "B": _("境内上市外资股股东持有股份总数(B股)"),
            }
            if has_b
            else {},
        ),
        "ratio": (
            _("3、出席会议的股东所持有表决权股份数占公司有表决权股份总数的比例(%)"),
            {
                "A": _("其中:A股股东持股占股份总数的比例(%)"),
                "B": _("境内上市外资股股东持股占股份总数的比例(%)"),
            }
            if has_b
            else {},
        ),
    }


def plain(agenda: Agenda, content: dict[str, Any]) -> Table:
    """Motions for, against, abstain: a line a class, and 普通股合计 where there are several."""
    rows: list[Row] = []
    for motion, result in _motions(agenda, content, is_cumulative=False):
        kind = _("特别决议") if motion.is_special else _("普通决议")
        outcome = outcome_name(result["outcome"])
        by_class = result["classes"]
        ordinary = [code for code in by_class if code != ShareClass.Code.PREF]
        lines = [(class_name(agenda, code), by_class[code]) for code in ordinary]
        if len(ordinary) > 1:
            lines.append((_("普通股合计"), result["total"]))
        if ShareClass.Code.PREF in by_class:
            lines.append((_("优先股"), by_class[ShareClass.Code.PREF]))
        rows += [
            (motion.number, motion.title, kind, name, *_opinions(figures), outcome)
            for name, figures in lines
        ]
    columns = (_("议案序号"), _("议案名称"), _("决议类型"), _("股东类型"), *_opinion_columns())
    return Table(_("非累积投票议案"), (*columns, _("审议结果")), tuple(rows))


def elections(agenda: Agenda, content: dict[str, Any]) -> Table:
    rows: list[Row] = []
    for motion, result in _motions(agenda, content, is_cumulative=True):
        for candidate in motion.candidates:
            figures = result["candidates"][candidate.number]
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
    return Table(_("累积投票议案表决情况"), columns, tuple(rows))


def segments(agenda: Agenda, content: dict[str, Any]) -> Table:
    """How A shares voted on a dividend, by the size of the holding."""
    names = {
        "ge5": _("持股5%以上普通股股东"),
        "1to5": _("持股1%-5%普通股股东"),
        "lt1": _("持股1%以下普通股股东"),
        "lt1_small": _("其中:市值50万以下普通股股东"),
        "lt1_large": _("市值50万以上普通股股东"),
    }
    rows = tuple(
        (motion.number, names[name], *_opinions(result["segments"][name]))
        for motion, result in _motions(agenda, content, is_cumulative=False)
        if "segments" in result
        for name in SEGMENTS
    )
    columns = (_("议案序号"), _("股东分段"), *_opinion_columns())
    return Table(_("现金分红分段表决情况"), columns, rows)


def minority(agenda: Agenda, content: dict[str, Any]) -> Table:
    """Holders below 5 %, without insiders; of a candidate the votes stand under 同意."""
    rows: list[Row] = []
    for motion in agenda.motions:
        result = content["motions"].get(motion.number, {})
        if "minority" not in result:
            continue
        if not motion.is_cumulative:
            rows.append((motion.number, motion.title, *_opinions(result["minority"])))
            continue
        for candidate in motion.candidates:
            figures = result["minority"]["candidates"][candidate.number]
            name = f"{motion.title} {candidate.name}"
            rows.append(
                (candidate.number, name, figures["votes"], figures["ratio"], "", "", "", "")
            )
    title = _("涉及重大事项,5%以下股东的表决情况")
    if is_star(agenda):
        title = _("涉及重大事项,应说明5%以下股东的表决情况")
    return Table(title, (_("议案序号"), _("议案名称"), *_opinion_columns()), tuple(rows))


def explanations(agenda: Agenda, content: dict[str, Any]) -> Table:
    """关于议案表决的有关情况说明, with the rules by which was counted."""
    motions = content["motions"]
    rejected = [number for number, m in motions.items() if m.get("outcome") == "rejected"]
    conflicts = [number for number, m in motions.items() if m.get("outcome") == "conflict"]
    recused = [
        number
        for number, m in motions.items()
        if any(excluded["reason"] == "RECUSED" for excluded in m["excluded"])
    ]
    asked = _("是否有被否决议案") if is_star(agenda) else _("本次会议是否有否决议案")
    facts = [
        (asked, _("有:%s") % "、".join(rejected) if rejected else _("无")),
        (_("特别决议议案"), _listed(m.number for m in agenda.motions if m.is_special)),
        (
            _("对中小投资者单独计票的议案"),
            _listed(m.number for m in agenda.motions if m.has_minority_count),
        ),
        (_("有关联股东回避而剔除表决的议案"), _listed(iter(recused))),
        (_("同时通过、结果互相冲突的议案"), _listed(iter(conflicts))),
    ]
    facts += [
        (_("议案%s应回避表决的关联股东名称") % number, "、".join(names))
        for number, names in content["recusals"].items()
    ]
    rows: list[Row] = [(name, text) for name, text in facts if text]
    rows += _policies(content["policies"])
    return Table(_("关于议案表决的有关情况说明"), (_("项目"), _("内容")), tuple(rows))


def is_star(agenda: Agenda) -> bool:
    """Whether the company is on STAR or has shares with special voting rights."""
    return agenda.security_code.startswith(STAR_CODES) or _has(agenda, ShareClass.Code.SVR)


def class_name(agenda: Agenda, code: str) -> str:
    if code == ShareClass.Code.A and is_star(agenda):
        return _("普通股")
    return str(ShareClass.Code(code).label)


def outcome_name(outcome: str) -> str:
    names = {
        "passed": _("通过"),
        "rejected": _("不通过"),
        "conflict": _("互斥议案同时通过,结果冲突"),
    }
    return names[outcome]


def _policies(policies: dict[str, Any]) -> Iterator[Row]:
    for name, value in policies.items():
        field = Meeting._meta.get_field(name)
        label = str(field.verbose_name)  # type: ignore[union-attr]
        words = {True: _("是"), False: _("否"), None: ""}
        choices = dict(getattr(field, "choices", None) or ())
        text = str(choices.get(value, words.get(value, value)))
        if text:
            yield label, text


def _motions(
    agenda: Agenda, content: dict[str, Any], *, is_cumulative: bool
) -> Iterator[tuple[MotionPaper, dict[str, Any]]]:
    for motion in agenda.motions:
        if motion.number in content["motions"] and motion.is_cumulative == is_cumulative:
            yield motion, content["motions"][motion.number]


def _opinion_columns() -> tuple[str, ...]:
    return (
        _("同意票数"),
        _("同意比例(%)"),
        _("反对票数"),
        _("反对比例(%)"),
        _("弃权票数"),
        _("弃权比例(%)"),
    )


def _opinions(figures: dict[str, Any]) -> Row:
    return tuple(figures[name] for name in NAMES)


def _listed(numbers: Iterator[str]) -> str:
    return "、".join(numbers)


def _has(agenda: Agenda, code: str) -> bool:
    return any(c.code == code for c in agenda.share_classes)
