"""Who came to the meeting (出席情况), as the announcement's lines say it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ballots import percentages
from ballots.announcement_form import Row, Section, Table
from ballots.effective import ORDINARY_CLASSES
from meetings.agenda import Agenda
from meetings.models import ShareClass

STAR_CODES = ("688", "689")


def attendance(agenda: Agenda, content: dict[str, Any]) -> Section:
    """Who came, with how much, of how much; the lines of a class are parts of the line above."""
    figures = content["attendance"]
    base = sum(
        (c.capital - c.voteless_shares) * c.votes_per_share
        for c in agenda.share_classes
        if c.code in ORDINARY_CLASSES
    )
    rows: list[Row] = []
    for name, (whole, by_class) in _attendance_lines(agenda).items():
        rows.append((whole, figures[name]))
        for code, label in by_class.items():
            of_class = figures["classes"].get(code)
            if of_class and name == "ratio":
                policy = agenda.policies["pct_policy"]
                rows.append((label, percentages.ratio(of_class["votes"], base, policy)))
            elif of_class:
                rows.append((label, of_class[name]))
    if preferred := figures["classes"].get(ShareClass.Code.PREF):
        rows.append((_("出席会议的优先股股东人数"), preferred["holders"]))
        rows.append((_("出席会议的优先股股东所持有表决权数量"), preferred["votes"]))
        rows.append((_("占优先股表决权总数的比例(%)"), preferred["ratio"]))
    title = _("(三) 出席会议的普通股股东和恢复表决权的优先股股东及其持有股份情况")
    if is_star(agenda):
        title = _(
            "(三) 出席会议的普通股股东、特别表决权股东、恢复表决权的优先股股东"
            "及其持有表决权数量的情况"
        )
    return Section(title, (Table("", tuple(rows)),))


def _attendance_lines(agenda: Agenda) -> dict[str, tuple[str, dict[str, str]]]:
    """By figure, the line of the whole and those of its parts by class."""
    if is_star(agenda):
        return _lines_with_special_votes()
    lines = _lines_with_b_shares()
    if _has(agenda, ShareClass.Code.B):
        return lines
    return {name: (whole, {}) for name, (whole, _by_class) in lines.items()}


def _lines_with_special_votes() -> dict[str, tuple[str, dict[str, str]]]:
    return {
        "holders": (
            _("1、出席会议的股东和代理人人数"),
            {"A": _("普通股股东人数"), "SVR": _("特别表决权股东人数")},
        ),
        "votes": (
            _("2、出席会议的股东所持有的表决权数量"),
            {"A": _("普通股股东所持有表决权数量"), "SVR": _("特别表决权股东所持有表决权数量")},
        ),
        "ratio": (
            _("3、出席会议的股东所持有表决权数量占公司表决权数量的比例(%)"),
            {
                "A": _("普通股股东所持有表决权数量占公司表决权数量的比例(%)"),
                "SVR": _("特别表决权股东所持有表决权数量占公司表决权数量的比例(%)"),
            },
        ),
    }


def _lines_with_b_shares() -> dict[str, tuple[str, dict[str, str]]]:
    return {
        "holders": (
            _("1、出席会议的股东和代理人人数"),
            {"A": _("其中:A股股东人数"), "B": _("境内上市外资股股东人数(B股)")},
        ),
        "votes": (
            _("2、出席会议的股东所持有表决权的股份总数(股)"),
            {"A": _("其中:A股股东持有股份总数"), "B": _("境内上市外资股股东持有股份总数(B股)")},
        ),
        "ratio": (
            _("3、出席会议的股东所持有表决权股份数占公司有表决权股份总数的比例(%)"),
            {
                "A": _("其中:A股股东持股占股份总数的比例(%)"),
                "B": _("境内上市外资股股东持股占股份总数的比例(%)"),
            },
        ),
    }


def is_star(agenda: Agenda) -> bool:
    """Whether the company is on STAR or has shares with special voting rights."""
    return agenda.security_code.startswith(STAR_CODES) or _has(agenda, ShareClass.Code.SVR)


def _has(agenda: Agenda, code: str) -> bool:
    return any(c.code == code for c in agenda.share_classes)
