"""Behind the announcement's figures: votes that do not count, and the files taken in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from ballots.announcement_form import Row, Table
from ballots.models import Channel
from meetings.models import Meeting
from voting_portal.common import ids


def appendix(content: dict[str, Any]) -> Iterator[Table]:
    """How was counted; superseded, excluded and invalid votes; and the files taken in."""
    yield Table(_("计票规则"), tuple(_rules(content["policies"])))
    channels = channel_names()
    yield Table(
        _("重复表决(以第一次为准,未计入)"),
        columns=(_("渠道"), _("受理序号"), _("议案序号")),
        rows=tuple((channels[s["channel"]], s["seq"], s["motion"]) for s in content["superseded"]),
    )
    yield Table(
        _("剔除的表决"),
        columns=(_("议案序号"), _("股东名册序号"), _("表决权数量"), _("原因")),
        rows=tuple(
            (number, ids.index_of(out["holder"]), out["votes"], exclusion_name(out["reason"]))
            for number, motion in content["motions"].items()
            for out in motion["excluded"]
        ),
    )
    yield Table(
        _("无效的选举票"),
        columns=(_("议案序号"), _("渠道"), _("受理序号"), _("原因")),
        rows=tuple(
            (number, channels[invalid["channel"]], invalid["seq"], flag_name(invalid["reason"]))
            for number, motion in content["motions"].items()
            for invalid in motion.get("invalid_ballots", ())
        ),
    )
    yield Table(
        _("导入的其他渠道投票"),
        columns=(_("渠道"), _("文件"), "SHA-256", _("表决票数"), _("有标记"), _("标记")),
        rows=tuple(
            (
                channels[file["channel"]],
                file["file_name"],
                file["sha256"],
                file["votes"],
                file["flagged"],
                "、".join(f"{flag_name(name)} {n}" for name, n in file["reasons"].items()),
            )
            for file in content.get("imports", ())
        ),
    )


def _rules(policies: dict[str, Any]) -> Iterator[Row]:
    for name, value in policies.items():
        field = Meeting._meta.get_field(name)
        label = str(field.verbose_name)  # type: ignore[union-attr]
        words = {True: _("是"), False: _("否"), None: ""}
        choices = dict(getattr(field, "choices", None) or ())
        if text := str(choices.get(value, words.get(value, value))):
            yield label, text


def channel_names() -> dict[str, str]:
    """Every channel with its name; LINK is our own page."""
    return {channel.value: str(channel.label) for channel in Channel} | {"LINK": _("本平台")}


def exclusion_name(reason: str) -> str:
    """Why a vote stands on neither side of the fraction."""
    return {"RECUSED": _("回避表决"), "VOTELESS": _("无表决权")}[reason]


def flag_name(reason: str) -> str:
    """A flag's word with what it means."""
    names = {
        "NOT_ON_REGISTER": _("账户不在名册"),
        "NO_VOTES": _("无表决权"),
        "NOT_A_NOMINEE": _("非名义持有人拆分表决"),
        "OVER_HOLDING": _("受托股份超过持股"),
        "SUM_MISMATCH": _("拆分合计不符"),
        "OVER_LIMIT": _("选举票超过可用票数"),
        "TOO_MANY_CANDIDATES": _("所投候选人超过应选人数"),
        "EXCLUSIVE": _("同意互斥议案"),
        "NOT_OF_CLASS": _("该类别无权表决的议案"),
        "RECUSED": _("应回避"),
        "OUTSIDE_WINDOW": _("不在投票时段"),
    }
    return names[reason]
