"""The switches of a meeting (计票规则) in Chinese and English: what each is about, its values."""

from __future__ import annotations

from collections.abc import Mapping

Words = tuple[str, str]  # Chinese, English
# By name what a switch is about, and by value what it says. Left out is who sees the result when:
# no vote counts otherwise by it.
SWITCHES: Mapping[str, tuple[Words, Mapping[object, Words]]] = {
    "ordinary_threshold": (
        ("普通决议通过标准", "Ordinary resolutions pass with"),
        {
            "GT_HALF": ("超过二分之一", "more than half"),
            "GE_HALF": ("二分之一以上(含本数)", "half or more"),
        },
    ),
    "election_threshold": (
        ("累积投票当选标准", "Threshold for being elected"),
        {
            "GT_HALF": ("超过出席股份的二分之一", "more than half of the shares present"),
            "GE_HALF": ("二分之一以上(含本数)", "half or more"),
        },
    ),
    "cumulative_base": (
        ("累积投票得票比例的基数", "Base of a candidate's percentage"),
        {
            "PRESENT_SHARES": ("出席会议的有效表决权", "votes present at the meeting"),
            "VOTED_SHARES": (
                "对该议案组有效投票的表决权",
                "votes of holders with a valid vote in the group",
            ),
        },
    ),
    "cumulative_overflow": (
        ("其他渠道选举票超过可用票数的处理", "Other channels: more election votes than there are"),
        {
            "INVALID_GROUP": ("该组选举票无效", "the votes of the group are invalid"),
            "ABSTAIN": ("该组视为弃权", "the group counts as an abstention"),
        },
    ),
    "cumulative_too_many_candidates": (
        (
            "差额选举中所投人数超过应选人数的处理",
            "Contested election: votes for more candidates than seats",
        ),
        {
            "INVALID_GROUP": ("该组选举票无效", "the votes of the group are invalid"),
            "ABSTAIN": ("该组视为弃权", "the group counts as an abstention"),
            "AS_CAST": ("不限制人数,按所投计票", "no limit, counted as cast"),
        },
    ),
    "invalid_occupies_slot": (
        (
            "其他渠道的无效选举票占用首次投票",
            "An invalid election vote of another channel counts as the first vote",
        ),
        {
            True: ("是", "yes"),
            False: ("否", "no"),
        },
    ),
    "first_vote_scope": (
        ("重复投票以第一次为准的范围", "The first vote prevails for"),
        {
            "MOTION": ("逐项议案", "each motion by itself"),
            "BALLOT": ("整张表决票", "the whole ballot"),
        },
    ),
    "onsite_time_default": (
        ("现场投票没有时间的,按何时计", "On-site votes without a time count as cast at"),
        {
            "ONSITE_VOTE_START": ("现场表决开始时间", "start of the on-site vote"),
            "POLLS_OPEN": (
                "网络投票开始时间(现场在先)",
                "the opening of the polls (on-site first)",
            ),
            "POLLS_CLOSE": ("网络投票截止时间(网络在先)", "the close of the polls (online first)"),
        },
    ),
    "partial_missing_as": (
        ("部分投票中没有表决的议案", "Motions that a partial vote leaves out"),
        {
            "ABSTAIN": ("计为弃权", "count as abstentions"),
            "ABSENT": ("不计入该议案的出席表决权", "leave the holder out of the motion's base"),
        },
    ),
    "exclusive_policy": (
        ("其他渠道对互斥议案同时同意的处理", "Agreement to exclusive motions in other channels"),
        {
            "ABSTAIN_ALL": ("该组表决均计为弃权", "all votes in the group are abstentions"),
            "INVALID_ALL": ("该组表决均无效", "all votes in the group are invalid"),
            "FIRST_AGREE": (
                "最先的同意有效,其余同意计为弃权",
                "the first agreement counts, the others are abstentions",
            ),
            "AS_CAST": ("按所投计票", "as cast"),
        },
    ),
    "nominee_sum_rule": (
        ("名义持有人各项股数之和", "A nominee's shares by opinion add up to"),
        {
            "EQUAL_DECLARED": ("须等于受托股份数", "the shares it declares"),
            "AT_MOST_DECLARED": (
                "不超过受托股份数,余下计为弃权",
                "no more than the shares it declares; the rest abstains",
            ),
        },
    ),
    "sm_threshold": (
        ("中小投资者的范围", "Minority holders are"),
        {
            "GE_5_OR_INSIDER": (
                "除持股5%以上(含5%)的股东和董监高以外",
                "all but insiders and holders of 5% or more",
            ),
            "GT_5_OR_INSIDER": (
                "除持股超过5%的股东和董监高以外",
                "all but insiders and holders of more than 5%",
            ),
            "GE_5": (
                "除持股5%以上(含5%)的股东以外,包括董监高",
                "all but holders of 5% or more; insiders belong to them",
            ),
        },
    ),
    "seg_bounds": (
        (
            "现金分红分段的界限(5%、1%、市值50万元)",
            "Segments of a cash dividend: holdings exactly at 5%, 1% or 500,000 yuan",
        ),
        {
            "LOWER_INCLUDED": ("恰为界限的归入较大的一段", "belong to the larger segment"),
            "UPPER_INCLUDED": ("恰为界限的归入较小的一段", "belong to the smaller segment"),
        },
    ),
    "seg_price": (
        ("现金分红分段采用的A股价格", "Price of A shares for the segments of a cash dividend"),
        {
            "RECORD_DATE_CLOSE": ("股权登记日收盘价", "closing price of the record date"),
            "MEETING_EVE_CLOSE": (
                "股东会前一交易日收盘价",
                "closing price of the trading day before the meeting",
            ),
        },
    ),
    "pct_policy": (
        ("比例的尾数处理", "Last decimal of percentages"),
        {
            "SSE_TRUNC_RESIDUAL": (
                "上交所公告格式:截位,末项取余",
                "exchange's form: cut off, the last takes the rest",
            ),
            "HALF_UP": ("四舍五入", "rounded half up"),
        },
    ),
    "prevote": (
        ("预投票", "Voting in advance"),
        {
            "OFF": ("不开放", "no"),
            "ON": ("自股东会前一日15:00起可以投票", "from 15:00 of the day before the meeting"),
        },
    ),
}
