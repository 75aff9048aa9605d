"""How a meeting is counted (计票规则) where law and articles leave a choice: one field a switch.

The names and values are those of docs/voting-rules.md. They are set for each meeting, frozen when
its motions are confirmed (a trigger), and printed with the result. Files of scenarios, the admin,
the tally and the announcement read this list; there is no second one.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from voting_portal.common.constraints import one_of


class Policies(models.Model):
    """The switches of one meeting; the default is the exchange's rule."""

    ordinary_threshold = models.CharField(
        _("普通决议通过标准"),
        max_length=7,
        choices=[("GT_HALF", _("超过二分之一")), ("GE_HALF", _("二分之一以上（含本数）"))],
        default="GT_HALF",
    )
    election_threshold = models.CharField(
        _("累积投票当选标准"),
        max_length=7,
        choices=[
            ("GT_HALF", _("超过出席股份的二分之一")),
            ("GE_HALF", _("二分之一以上（含本数）")),
        ],
        default="GT_HALF",
    )
    cumulative_base = models.CharField(
        _("累积投票得票比例的基数"),
        max_length=14,
        choices=[
            ("PRESENT_SHARES", _("出席会议的有效表决权")),
            ("VOTED_SHARES", _("对该议案组有效投票的表决权")),
        ],
        default="PRESENT_SHARES",
    )
    cumulative_overflow = models.CharField(
        _("其他渠道选举票超过可用票数的处理"),
        max_length=13,
        choices=[("INVALID_GROUP", _("该组选举票无效")), ("ABSTAIN", _("该组视为弃权"))],
        default="INVALID_GROUP",
    )
    cumulative_too_many_candidates = models.CharField(
        _("差额选举中所投人数超过应选人数的处理"),
        max_length=13,
        choices=[
            ("INVALID_GROUP", _("该组选举票无效")),
            ("ABSTAIN", _("该组视为弃权")),
            ("AS_CAST", _("不限制人数，按所投计票")),
        ],
        default="INVALID_GROUP",
    )
    invalid_occupies_slot = models.BooleanField(
        _("其他渠道的无效选举票占用首次投票"),
        default=True,
        help_text=_("取消勾选时，无效的累积投票视为没有投，以后的有效投票仍然计入。"),
    )
    first_vote_scope = models.CharField(
        _("重复投票以第一次为准的范围"),
        max_length=6,
        choices=[("MOTION", _("逐项议案")), ("BALLOT", _("整张表决票"))],
        default="MOTION",
    )
    onsite_time_default = models.CharField(
        _("现场投票没有时间的，按何时计"),
        max_length=17,
        choices=[
            ("ONSITE_VOTE_START", _("现场表决开始时间")),
            ("POLLS_OPEN", _("网络投票开始时间（现场在先）")),
            ("POLLS_CLOSE", _("网络投票截止时间（网络在先）")),
        ],
        default="ONSITE_VOTE_START",
    )
    partial_missing_as = models.CharField(
        _("部分投票中没有表决的议案"),
        max_length=7,
        choices=[("ABSTAIN", _("计为弃权")), ("ABSENT", _("不计入该议案的出席表决权"))],
        default="ABSTAIN",
    )
    exclusive_policy = models.CharField(
        _("其他渠道对互斥议案同时同意的处理"),
        max_length=11,
        choices=[
            ("ABSTAIN_ALL", _("该组表决均计为弃权")),
            ("INVALID_ALL", _("该组表决均无效")),
            ("FIRST_AGREE", _("最先的同意有效，其余同意计为弃权")),
            ("AS_CAST", _("按所投计票")),
        ],
        default="ABSTAIN_ALL",
    )
    nominee_sum_rule = models.CharField(
        _("名义持有人各项股数之和"),
        max_length=16,
        choices=[
            ("EQUAL_DECLARED", _("须等于受托股份数")),
            ("AT_MOST_DECLARED", _("不超过受托股份数，余下计为弃权")),
        ],
        default="EQUAL_DECLARED",
    )
    sm_threshold = models.CharField(
        _("中小投资者的范围"),
        max_length=17,
        choices=[
            ("GE_5_OR_INSIDER", _("除持股5%以上（含5%）的股东和董监高以外")),
            ("GT_5_OR_INSIDER", _("除持股超过5%的股东和董监高以外")),
            ("GE_5", _("除持股5%以上（含5%）的股东以外，包括董监高")),
        ],
        default="GE_5_OR_INSIDER",
    )
    seg_bounds = models.CharField(
        _("现金分红分段的界限（5%、1%、市值50万元）"),
        max_length=14,
        choices=[
            ("LOWER_INCLUDED", _("恰为界限的归入较大的一段")),
            ("UPPER_INCLUDED", _("恰为界限的归入较小的一段")),
        ],
        default="LOWER_INCLUDED",
    )
    seg_price = models.CharField(
        _("现金分红分段采用的A股价格"),
        max_length=17,
        choices=[
            ("RECORD_DATE_CLOSE", _("股权登记日收盘价")),
            ("MEETING_EVE_CLOSE", _("股东会前一交易日收盘价")),
        ],
        default="RECORD_DATE_CLOSE",
    )
    pct_policy = models.CharField(
        _("比例的尾数处理"),
        max_length=18,
        choices=[
            ("SSE_TRUNC_RESIDUAL", _("上交所公告格式：截位，末项取余")),
            ("HALF_UP", _("四舍五入")),
        ],
        default="SSE_TRUNC_RESIDUAL",
    )
    prevote = models.CharField(
        _("预投票"),
        max_length=3,
        choices=[("OFF", _("不开放")), ("ON", _("自股东会前一日15:00起可以投票"))],
        default="OFF",
    )
    results_visible_from = models.CharField(
        _("董事会秘书何时可见结果"),
        max_length=9,
        choices=[("CLOSED", _("投票截止并启封计票之后")), ("CERTIFIED", _("结果确认之后"))],
        default="CLOSED",
    )

    class Meta:
        abstract = True


POLICIES = {field.name: field for field in Policies._meta.local_fields}


def policy_constraints() -> list[models.CheckConstraint]:
    """Every switch has one of its values, whoever writes it."""
    return [
        one_of(
            field.name,
            " ".join(value for value, _label in field.choices),
            name=f"meeting_{field.name}_known",
        )
        for field in POLICIES.values()
        if field.choices
    ]
