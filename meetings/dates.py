"""The days of a meeting (会议日期): what law and the exchange ask of them, and what follows.

Rehearsals may have any days; a real meeting whose days break a hard rule is neither saved nor
confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext as _

from meetings.calendar import Calendar, UnknownYear
from meetings.models import Meeting

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NOTICE_DAYS = {Meeting.Kind.ANNUAL: 20, Meeting.Kind.EXTRAORDINARY: 15}
MOST_WORKING_DAYS = 7
LEAST_TRADING_DAYS = 2
# 交易系统投票平台 (W5): hours of the meeting's day, both ends closed.
TRADING_HOURS = (
    (time(9, 15), time(9, 25)),
    (time(9, 30), time(11, 30)),
    (time(13), time(15)),
)
# 互联网投票平台 (W6), and so this portal: from the first of these hours to the last in one piece.
POLLS_OPEN, POLLS_CLOSE = TRADING_HOURS[0][0], TRADING_HOURS[-1][1]
AGENDA_DUE = time(16)


@dataclass(frozen=True)
class DateFault:
    """A rule (as docs/voting-rules.md names it) that a day breaks; `field` is the meeting's."""

    rule: str
    field: str
    message: str
    is_hard: bool = True


@dataclass(frozen=True)
class Deadline:
    """A day that follows from the meeting's own."""

    day: date
    label: StrOrPromise


def faults_of_dates(meeting: Meeting, calendar: Calendar) -> list[DateFault]:
    """Everything wrong with the days of a meeting, in the order of the rules."""
    if meeting.is_rehearsal:
        return []
    try:
        return list(_faults(meeting, calendar))
    except UnknownYear as unknown:
        return [DateFault("CALENDAR", "meeting_date", str(unknown))]


def _faults(meeting: Meeting, calendar: Calendar) -> Iterator[DateFault]:
    voting = first_voting_day(meeting.meeting_date, meeting.prevote)
    yield from _of_notice(meeting)
    working = calendar.working_days_until(meeting.record_date, meeting.meeting_date)
    if working > MOST_WORKING_DAYS:
        words = {"days": working, "most": MOST_WORKING_DAYS}
        message = _("股权登记日与召开日相隔%(days)s个工作日，不得多于%(most)s个。")
        yield DateFault("W2", "record_date", message % words)
    between = calendar.trading_days_between(meeting.record_date, voting)
    if between < LEAST_TRADING_DAYS:
        words = {"days": between, "least": LEAST_TRADING_DAYS}
        message = _("股权登记日与网络投票开始日之间只有%(days)s个交易日，至少须间隔%(least)s个。")
        yield DateFault("W3", "record_date", message % words)
    if not calendar.is_trading_day(meeting.meeting_date):
        message = _("股东会应当在交易日召开：这一天休市。")
        yield DateFault("W4", "meeting_date", message)
    yield from _of_hours(meeting)
    if not calendar.is_trading_day(meeting.record_date):
        message = _("股权登记日不是交易日：请与公司核对。")
        yield DateFault("W2", "record_date", message, is_hard=False)


def _of_notice(meeting: Meeting) -> Iterator[DateFault]:
    least = NOTICE_DAYS[Meeting.Kind(meeting.kind)]
    if meeting.notice_date is None:
        message = _("没有填写会议通知公告日，无法核对是否提前%(least)s日公告。")
        yield DateFault("W1", "notice_date", message % {"least": least}, is_hard=False)
        return
    ahead = (meeting.meeting_date - meeting.notice_date).days
    if ahead < least:
        words = {"ahead": ahead, "least": least}
        message = _("公告日距召开日%(ahead)s日，至少须提前%(least)s日（不含召开当日）。")
        yield DateFault("W1", "notice_date", message % words)


def _of_hours(meeting: Meeting) -> Iterator[DateFault]:
    """Polls that miss hours of the trading platform (W5), or else keep other hours (W6, W9)."""
    opening, closing = meeting.polls_open_at, meeting.polls_close_at
    missed = [
        f"{begin:%H:%M}–{end:%H:%M}"
        for begin, end in TRADING_HOURS
        if opening > _beijing(meeting.meeting_date, begin)
        or closing < _beijing(meeting.meeting_date, end)
    ]
    lawful = lawful_hours(meeting.meeting_date, meeting.prevote)
    if meeting.prevote == "ON":
        message = _("开放预投票的，投票时间须为法定时段：会议前一日15:00至会议当日15:00。")
    else:
        message = _("投票时间须为会议当日的法定时段：9:15至15:00。")
    if missed:
        hours = "、".join(missed)
        message += _("现在没有覆盖交易系统投票时段%(hours)s。") % {"hours": hours}
        yield DateFault("W5", "polls_open_at", message)
    elif (opening, closing) != lawful:
        yield DateFault("W6", "polls_open_at", message)


def first_voting_day(meeting_date: date, prevote: str | None) -> date:
    """The day on which the polls open: with 预投票 the one before the meeting."""
    return meeting_date - timedelta(days=1 if prevote == "ON" else 0)


def lawful_opening(meeting_date: date, prevote: str | None) -> datetime:
    """When the polls open: 9:15 of the day (W6), with 预投票 15:00 of the day before (W9)."""
    hour = POLLS_CLOSE if prevote == "ON" else POLLS_OPEN
    return _beijing(first_voting_day(meeting_date, prevote), hour)


def lawful_hours(meeting_date: date, prevote: str | None) -> tuple[datetime, datetime]:
    """When the polls of a real meeting open and close."""
    return lawful_opening(meeting_date, prevote), _beijing(meeting_date, POLLS_CLOSE)


def agenda_due_at(meeting_date: date, prevote: str | None, calendar: Calendar) -> datetime:
    """By when the company confirms the agenda: 16:00 of the trading day before the first day of
    voting (T-1); UnknownYear.
    """
    day = calendar.trading_day_before(first_voting_day(meeting_date, prevote))
    return _beijing(day, AGENDA_DUE)


def _beijing(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, timezone.get_default_timezone())


def deadlines(meeting: Meeting, calendar: Calendar) -> list[Deadline]:
    """What has to be done by which day, in the order of the days; UnknownYear."""
    day = meeting.meeting_date
    voting = first_voting_day(day, meeting.prevote)
    confirmed = agenda_due_at(day, meeting.prevote, calendar).date()
    notice = timedelta(days=NOTICE_DAYS[Meeting.Kind(meeting.kind)])
    found = [
        Deadline(day - notice, _("最迟公告会议通知")),
        Deadline(meeting.record_date, _("股权登记日")),
        Deadline(
            calendar.trading_day_before(day, 2),
            _("16:00前上传股东名册；最迟公告延期、取消、增加或撤回议案"),
        ),
        Deadline(
            calendar.trading_day_before(voting), _("名义持有人征集实际持有人意见，9:15至15:00")
        ),
        Deadline(confirmed, _("16:00前公司确认议案")),
        Deadline(day, _("9:15至15:00网络投票；15:30前公司上传现场投票")),
        Deadline(day, _("9:15至9:25、9:30至11:30、13:00至15:00交易系统投票")),
    ]
    return sorted(found, key=lambda deadline: deadline.day)
