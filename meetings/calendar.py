"""The exchange's trading calendar (交易日历): which days trade, and on which days people work.

A year that staff have not put in is unknown. Nothing is ever guessed from the day of the week: a
question about such a year is refused (UnknownYear).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meetings import journal
from meetings.models import CalendarYear
from voting_portal.common.refusals import Refusal

ONE_DAY = timedelta(days=1)
LEAST_CLOSED_DAYS = 10  # weekdays of a year; no year had fewer, a text cut short has
WEEKDAYS = "一二三四五六日"

_DAY = (
    r"(?:(\d{4})[-/.年])?(\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[(\uff08](?:星期|周)([一二三四五六日])[)\uff09])?"
)
_DAYS = re.compile(rf"{_DAY}(?:\s*(?:至|到|~|\uff5e|—+|--)\s*{_DAY})?")
# A sentence ends at a full stop, a line or a comma behind which the next day stands.
_CLAUSE = re.compile(r"[。;\uff1b]|[,\uff0c](?=\s*(?:另外|\d))")
_NOISE = re.compile(
    r"[\s\ufeff、,\uff0c:\uff1a()\uff08\uff09一二三四五六七八九十]|日期|状态|另外"
    r"|元旦|春节|清明节?|劳动节|端午节?|中秋节?|国庆节"
)


class UnknownYear(Refusal):
    """The calendar says nothing about a year that was asked for."""

    def __init__(self, year: int) -> None:
        super().__init__(
            _("交易日历中还没有%(year)s年：请先在“交易日历”中导入该年的休市安排。") % {"year": year}
        )


@dataclass(frozen=True)
class CalendarFault:
    """One thing wrong with a text: `line` from 1, 0 for the whole; `text` as it was written."""

    line: int
    text: str
    reason: str


class BadCalendar(Refusal):
    """A text that gives no year; `faults` say where and what to do. Nothing was changed."""

    message = gettext_lazy("休市安排有误，没有导入。")

    def __init__(self, faults: list[CalendarFault]) -> None:
        super().__init__()
        self.faults = faults


@dataclass(frozen=True)
class Calendar:
    """All the years that are known."""

    years: frozenset[int]
    closed_days: frozenset[date]
    working_weekends: frozenset[date]

    def is_trading_day(self, day: date) -> bool:
        """UnknownYear when the calendar lacks the day's year."""
        self._known(day)
        return not _is_weekend(day) and day not in self.closed_days

    def is_working_day(self, day: date) -> bool:
        """A working day (工作日) of the State Council's; UnknownYear."""
        return self.is_trading_day(day) or day in self.working_weekends

    def trading_days_between(self, first: date, last: date) -> int:
        """How many trading days lie strictly between two days; UnknownYear."""
        return sum(self.is_trading_day(day) for day in _days(first + ONE_DAY, last - ONE_DAY))

    def working_days_until(self, first: date, last: date) -> int:
        """How many working days follow the first day up to and with the last; UnknownYear."""
        return sum(self.is_working_day(day) for day in _days(first + ONE_DAY, last))

    def trading_day_before(self, day: date, number: int = 1) -> date:
        """The so-manieth trading day before a day; UnknownYear."""
        while number:
            day -= ONE_DAY
            number -= self.is_trading_day(day)
        return day

    def _known(self, day: date) -> None:
        if day.year not in self.years:
            raise UnknownYear(day.year)


def read_calendar() -> Calendar:
    """The calendar as staff keep it, in one query."""
    rows = list(CalendarYear.objects.all())
    return Calendar(
        years=frozenset(row.year for row in rows),
        closed_days=frozenset(day for row in rows for day in row.closed_days),
        working_weekends=frozenset(day for row in rows for day in row.working_weekends),
    )


@transaction.atomic
def import_year(year: int, text: str, *, by: str, now: datetime) -> CalendarYear:
    """Put in a year, or put it in anew, whole or not at all; BadCalendar.

    `text` has the days as the exchange's notice says them (`10月1日(星期四)至10月7日(星期三)休市`)
    or a day or range a line (`2026-10-01`, `2026-10-01~2026-10-07,休市`, `2026-02-14,上班`).
    """
    closed, worked = read_days(year, text)
    kept, made = CalendarYear.objects.update_or_create(
        year=year,
        defaults={
            "closed_days": closed,
            "working_weekends": worked,
            "imported_by": by,
            "imported_at": now,
        },
    )
    verb = "calendar.imported" if made else "calendar.replaced"
    journal.record(None, verb, by=by, at=now, year=year, closed_days=len(closed))
    return kept


def read_days(year: int, text: str) -> tuple[list[date], list[date]]:
    """The weekdays on which the exchange is closed and the weekends worked; BadCalendar."""
    closed: set[date] = set()
    worked: set[date] = set()
    faults: list[CalendarFault] = []
    for line, clause in _clauses(text):
        if not _DAYS.search(clause):
            continue
        said = _NOISE.sub("", _DAYS.sub("", clause))
        try:
            days = [day for found in _DAYS.finditer(clause) for day in _range(year, found)]
            if said.endswith("照常开市"):
                continue
            if said in ("为周末休市", "上班", "调休上班", "周末休市"):
                worked |= _weekends(days)
            elif said in ("", "休市", "放假", "放假调休", "为节假日休市"):
                closed |= {day for day in days if not _is_weekend(day)}
            else:
                raise ValueError(_("看不懂这一句：请只保留日期和“休市”或“上班”。"))
        except ValueError as error:
            faults.append(CalendarFault(line, clause.strip()[:80], str(error)))
    if not faults and len(closed) < LEAST_CLOSED_DAYS:
        words = {"days": len(closed), "least": LEAST_CLOSED_DAYS}
        reason = _("周一至周五中只有%(days)s个休市日，一年不会少于%(least)s个：请核对是否完整。")
        faults.append(CalendarFault(0, "", reason % words))
    if faults:
        raise BadCalendar(faults)
    return sorted(closed), sorted(worked)


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    for line, content in enumerate(text.splitlines(), start=1):
        for clause in _CLAUSE.split(content):
            yield line, clause


def _range(year: int, found: re.Match[str]) -> Iterator[date]:
    groups = found.groups()
    first = _day(year, *groups[:4])
    last = _day(year, *groups[4:]) if groups[5] else first
    if last < first:
        raise ValueError(_("起止日期颠倒。"))
    yield from _days(first, last)


def _day(
    year: int, said_year: str | None, month: str, day: str, weekday: str | None = None
) -> date:
    if said_year and int(said_year) != year:
        raise ValueError(_("日期不属于%(year)s年。") % {"year": year})
    try:
        found = date(year, int(month), int(day))
    except ValueError:
        raise ValueError(_("没有这个日期。")) from None
    if weekday and WEEKDAYS[found.weekday()] != weekday:
        words = {"day": found.isoformat(), "weekday": WEEKDAYS[found.weekday()]}
        raise ValueError(_("%(day)s是星期%(weekday)s：请核对年份和日期。") % words)
    return found


def _weekends(days: list[date]) -> set[date]:
    for day in days:
        if not _is_weekend(day):
            raise ValueError(_("%(day)s不是周末。") % {"day": day.isoformat()})
    return set(days)


def _is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += ONE_DAY
