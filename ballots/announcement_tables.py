"""What the announcement's tables say (决议公告各表), with the headings that the exchange fixes.

They differ for the main board, for a company with B shares, and for STAR (科创板), where votes are
not the same as shares. The form's punctuation is kept, and its numbers: sections without content
are left out and the others numbered through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from ballots.announcement_attendance import attendance, is_star
from ballots.announcement_form import Row, Section, Table
from meetings.agenda import Agenda, MotionPaper
from meetings.models import ShareClass

NAMES = ("for", "for_pct", "against", "against_pct", "abstain", "abstain_pct")
NUMERALS = "一二三四五"


def announcement_sections(agenda: Agenda, content: dict[str, Any]) -> Iterator[Section]:
    """重要内容提示, who came, and what became of the motions; empty sections left out."""
    yield _at_a_glance(agenda, content)
    yield attendance(agenda, content)
    found = (
        (_("非累积投票议案"), plain(agenda, content)),
        (_("累积投票议案表决情况"), elections(agenda, content)),
        (_("现金分红分段表决情况"), segments(agenda, content)),
        (_minority_title(agenda), minority(agenda, content)),
        (_("关于议案表决的有关情况说明"), explanations(agenda, content)),
    )
    whole = [(title, tables) for title, tables in found if any(table.rows for table in tables)]
    for place, (title, tables) in enumerate(whole):
        part = "" if place else _("二、 议案审议情况")
        yield Section(f"({NUMERALS[place]}) {title}", tuple(tables), part)


def _at_a_glance(agenda: Agenda, content: dict[str, Any]) -> Section:
    asked = _("本次会议是否有被否决议案") if is_star(agenda) else _("本次会议是否有否决议案")
    is_any = any(m.get("outcome") == "rejected" for m in content["motions"].values())
    answer = _("有") if is_any else _("无")
    return Section(_("重要内容提示"), (Table("", lines=(f"{asked}:{answer}",)),))


def plain(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """A table a motion: a line a class, and 普通股合计 where there are several."""
    tables = []
    for motion in agenda.motions:
        if motion.is_heading:
            tables.append(Table(f"{_printed(motion)}、 {motion.title}"))
        elif not motion.is_cumulative:
            tables.append(_plain(agenda, motion, content["motions"][motion.number]))
    return tables


def _plain(agenda: Agenda, motion: MotionPaper, result: dict[str, Any]) -> Table:
    by_class = result["classes"]
    ordinary = [code for code in by_class if code != ShareClass.Code.PREF]
    lines = [(class_name(agenda, code), by_class[code]) for code in ordinary]
    if len(ordinary) > 1:
        lines.append((_("普通股合计:"), result["total"]))
    if ShareClass.Code.PREF in by_class:
        lines.append((_("优先股"), by_class[ShareClass.Code.PREF]))
    return Table(
        _("%(number)s、 议案名称:%(title)s") % {"number": _printed(motion), "title": motion.title},
        tuple((name, *_opinions(figures)) for name, figures in lines),
        ("", *_opinion_columns()),
        ((_("股东类型"), 1), *_opinion_groups()),
        (_("审议结果:%s") % outcome_name(result["outcome"]), _("表决情况:")),
        motion.number,
    )


def _printed(motion: MotionPaper) -> str:
    """A motion's number as the form has it: 1, but 2.01."""
    return motion.number.removesuffix(".00")


def elections(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    columns = (
        _("议案序号"),
        _("议案名称"),
        _("得票数"),
        _("得票数占出席会议有效表决权的比例(%)"),
        _("是否当选"),
    )
    tables = []
    for motion in agenda.motions:
        if not motion.is_cumulative:
            continue
        rows: list[Row] = []
        for candidate in motion.candidates:
            figures = content["motions"][motion.number]["candidates"][candidate.number]
            elected = _("是") if figures["elected"] else _("否")
            if figures["tie"]:
                elected = _("票数相等,待再次选举")
            votes, ratio = figures["votes"], figures["ratio"]
            rows.append((candidate.number, candidate.name, votes, ratio, elected))
        title = f"{motion.number} {motion.title}"
        tables.append(Table(title, tuple(rows), columns, motion=motion.number))
    return tables


def segments(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """How A shares voted on a dividend, by the size of the holding."""
    names = {
        "ge5": _("持股5%以上普通股股东"),
        "1to5": _("持股1%-5%普通股股东"),
        "lt1": _("持股1%以下普通股股东"),
        "lt1_small": _("其中:市值50万以下普通股股东"),
        "lt1_large": _("市值50万以上普通股股东"),
    }
    return [
        Table(
            f"{_printed(motion)}、 {motion.title}",
            tuple((label, *_opinions(result["segments"][name])) for name, label in names.items()),
            ("", *_opinion_columns()),
            (("", 1), *_opinion_groups()),
        )
        for motion, result in _results(agenda, content)
        if "segments" in result
    ]


def _minority_title(agenda: Agenda) -> str:
    if is_star(agenda):
        return _("涉及重大事项,应说明5%以下股东的表决情况")
    return _("涉及重大事项,5%以下股东的表决情况")


def minority(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """Holders below 5 %, without insiders; of a candidate the votes stand under 同意."""
    rows: list[Row] = []
    for motion, result in _results(agenda, content):
        if "minority" not in result:
            continue
        if not motion.is_cumulative:
            rows.append((_printed(motion), motion.title, *_opinions(result["minority"])))
            continue
        for candidate in motion.candidates:
            figures = result["minority"]["candidates"][candidate.number]
            votes, ratio = figures["votes"], figures["ratio"]
            rows.append((candidate.number, candidate.name, votes, ratio, "", "", "", ""))
    groups = ((_("议案序号"), 1), (_("议案名称"), 1), *_opinion_groups())
    return [Table("", tuple(rows), ("", "", *_opinion_columns()), groups)]


def explanations(agenda: Agenda, content: dict[str, Any]) -> list[Table]:
    """Special resolutions, counts apart, recusals, and what was not carried."""
    motions = content["motions"]
    recused = (
        number
        for number, m in motions.items()
        if any(excluded["reason"] == "RECUSED" for excluded in m["excluded"])
    )

    def with_outcome(outcome: str) -> str:
        return "、".join(n for n, m in motions.items() if m.get("outcome") == outcome)

    facts = [
        (_("特别决议议案"), "、".join(m.number for m in agenda.motions if m.is_special)),
        (
            _("对中小投资者单独计票的议案"),
            "、".join(m.number for m in agenda.motions if m.has_minority_count),
        ),
        (_("有关联股东回避而剔除表决的议案"), "、".join(recused)),
        (_("被否决的议案"), with_outcome("rejected")),
        (_("同时通过、结果互相冲突的议案"), with_outcome("conflict")),
    ]
    facts += [
        (_("议案%s应回避表决的关联股东名称") % number, "、".join(names))
        for number, names in content["recusals"].items()
    ]
    return [Table("", tuple((name, text) for name, text in facts if text))]


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


def _results(
    agenda: Agenda, content: dict[str, Any]
) -> Iterator[tuple[MotionPaper, dict[str, Any]]]:
    for motion in agenda.motions:
        if not motion.is_heading:
            yield motion, content["motions"][motion.number]


def _opinion_groups() -> tuple[tuple[str, int], ...]:
    return (_("同意"), 2), (_("反对"), 2), (_("弃权"), 2)


def _opinion_columns() -> tuple[str, ...]:
    return (_("票数"), _("比例(%)")) * 3


def _opinions(figures: dict[str, Any]) -> Row:
    return tuple(figures[name] for name in NAMES)
