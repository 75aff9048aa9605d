"""The trading calendar: what the exchange's notice says, and what follows for a meeting's days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from meetings import lifecycle
from meetings.calendar import BadCalendar, UnknownYear, import_year, read_calendar, read_days
from meetings.dates import deadlines, faults_of_dates, lawful_hours
from meetings.models import CalendarYear, JournalEntry, Meeting
from tests.factories import make_meeting

NOTICE_OF_2026 = """
一、休市安排
（一）元旦：1月1日（星期四）至1月3日（星期六）休市，1月5日（星期一）起照常开市。另外，1月4日（星期日）为周末休市。
（二）春节：2月15日（星期日）至2月23日（星期一）休市，2月24日（星期二）起照常开市。另外，2月14日（星期六）、2月28日（星期六）为周末休市。
（三）清明节：4月4日（星期六）至4月6日（星期一）休市，4月7日（星期二）起照常开市。
（四）劳动节：5月1日（星期五）至5月5日（星期二）休市，5月6日（星期三）起照常开市。另外，5月9日（星期六）为周末休市。
（五）端午节：6月19日（星期五）至6月21日（星期日）休市，6月22日（星期一）起照常开市。
（六）中秋节：9月25日（星期五）至9月27日（星期日）休市，9月28日（星期一）起照常开市。
（七）国庆节：10月1日（星期四）至10月7日（星期三）休市，10月8日（星期四）起照常开市。另外，9月20日（星期日）、10月10日（星期六）为周末休市。
"""
LINES_OF_2027 = """日期,状态
2027-01-01,休市
2027-02-05~2027-02-12,休市
2027-02-14,上班
2027-05-03
2027-10-01 至 2027-10-07
"""


def meeting_of(*, meeting_date, record_date, notice_date=None, **fields):
    hours = lawful_hours(date.fromisoformat(meeting_date), fields.get("prevote"))
    return Meeting(
        **dict(zip(("polls_open_at", "polls_close_at"), hours, strict=True)) | fields,
        meeting_date=date.fromisoformat(meeting_date),
        record_date=date.fromisoformat(record_date),
        notice_date=date.fromisoformat(notice_date) if notice_date else None,
    )


def rules_broken(meeting, *, is_hard=True):
    faults = faults_of_dates(meeting, read_calendar())
    return [fault.rule for fault in faults if fault.is_hard is is_hard]


@pytest.mark.django_db
def test_the_exchanges_own_notice_gives_the_year_that_is_shipped():
    closed, worked = read_days(2026, NOTICE_OF_2026)

    shipped = CalendarYear.objects.get(year=2026)
    assert closed == shipped.closed_days
    assert worked == shipped.working_weekends


@pytest.mark.django_db
def test_a_year_is_put_in_by_lines_and_noted_in_the_journal():
    import_year(2027, LINES_OF_2027, by="operator:1", now=timezone.now())

    calendar = read_calendar()
    assert not calendar.is_trading_day(date(2027, 2, 5))
    assert not calendar.is_trading_day(date(2027, 2, 14))
    assert calendar.is_working_day(date(2027, 2, 14))
    assert calendar.is_trading_day(date(2027, 2, 15))
    entry = JournalEntry.objects.get(verb="calendar.imported")
    assert (entry.actor, entry.details["year"]) == ("operator:1", 2027)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1月1日(星期五)休市", "2026-01-01是星期四"),
        ("2025-10-01,休市", "不属于2026年"),
        ("2月30日休市", "没有这个日期"),
        ("10月7日至10月1日休市", "起止日期颠倒"),
        ("10月1日或许休市", "看不懂"),
        ("2月16日(星期一)上班", "不是周末"),
    ],
)
@pytest.mark.django_db
def test_a_doubtful_line_is_named_and_nothing_changes(line, reason):
    before = CalendarYear.objects.get(year=2026)

    with pytest.raises(BadCalendar) as refusal:
        import_year(2026, NOTICE_OF_2026 + line, by="operator:1", now=timezone.now())

    (fault,) = refusal.value.faults
    assert (fault.line, fault.text) == (10, line)
    assert reason in fault.reason
    kept = CalendarYear.objects.get(year=2026)
    assert (kept.closed_days, kept.imported_at) == (before.closed_days, before.imported_at)


@pytest.mark.django_db
def test_half_a_notice_is_no_year():
    with pytest.raises(BadCalendar) as refusal:
        import_year(2027, "2027-01-01\n2027-10-01", by="operator:1", now=timezone.now())

    assert "不会少于10个" in refusal.value.faults[0].reason
    assert not CalendarYear.objects.filter(year=2027).exists()


@pytest.mark.django_db
def test_a_year_that_is_lacking_is_refused_and_never_guessed():
    calendar = read_calendar()

    with pytest.raises(UnknownYear, match="2027"):
        calendar.is_trading_day(date(2027, 3, 1))
    meeting = meeting_of(meeting_date="2027-01-06", record_date="2026-12-30")
    assert rules_broken(meeting) == ["CALENDAR"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("record_date", "meeting_date", "broken"),
    [
        ("2025-04-15", "2025-04-18", []),  # two trading days between
        ("2025-04-16", "2025-04-18", ["W3"]),
        ("2025-08-22", "2025-09-01", []),  # six working days
        ("2025-08-21", "2025-09-01", []),  # seven
        ("2025-08-20", "2025-09-01", ["W2"]),
        ("2025-09-24", "2025-09-30", []),  # the Sunday between is worked: five, not four
        ("2025-09-24", "2025-10-10", []),  # eight days of holiday do not count
        ("2025-08-20", "2025-08-30", ["W4"]),  # a Saturday
        ("2025-09-25", "2025-10-01", ["W4"]),  # National Day
        ("2025-09-25", "2025-09-28", ["W3", "W4"]),  # a Sunday that is worked
    ],
)
def test_the_days_of_a_meeting_keep_the_rules(record_date, meeting_date, broken):
    meeting = meeting_of(record_date=record_date, meeting_date=meeting_date)

    assert rules_broken(meeting) == broken


@pytest.mark.django_db
def test_days_that_are_made_up_at_weekends_are_working_days():
    over_new_year = read_calendar().working_days_until(date(2026, 2, 13), date(2026, 2, 28))

    assert over_new_year == 6  # the 14th, the 24th to the 27th and the 28th


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "notice_date", "broken"),
    [
        ("ANNUAL", "2025-03-29", []),
        ("ANNUAL", "2025-03-30", ["W1"]),
        ("EXTRAORDINARY", "2025-04-03", []),
        ("EXTRAORDINARY", "2025-04-04", ["W1"]),
    ],
)
def test_notice_is_given_twenty_or_fifteen_days_before(kind, notice_date, broken):
    days = {"record_date": "2025-04-15", "meeting_date": "2025-04-18"}
    meeting = meeting_of(kind=kind, notice_date=notice_date, **days)

    assert rules_broken(meeting) == broken


@pytest.mark.django_db
def test_without_a_day_of_notice_there_is_a_word_and_no_refusal():
    meeting = meeting_of(record_date="2025-04-15", meeting_date="2025-04-18")

    assert rules_broken(meeting) == []
    assert rules_broken(meeting, is_hard=False) == ["W1"]


@pytest.mark.django_db
def test_with_early_voting_the_gap_ends_a_day_before():
    days = {"record_date": "2025-04-15", "meeting_date": "2025-04-18"}

    assert rules_broken(meeting_of(**days, prevote="ON")) == ["W3"]
    assert rules_broken(meeting_of(**days, prevote="OFF")) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("prevote", "opening", "closing", "broken", "missed"),
    [
        ("OFF", (18, 9, 15), (18, 15, 0), [], ""),
        ("OFF", (18, 9, 16), (18, 15, 0), ["W5"], "09:15–09:25"),
        ("OFF", (18, 11, 30), (18, 15, 0), ["W5"], "09:15–09:25、09:30–11:30"),
        ("OFF", (18, 9, 15), (18, 14, 59), ["W5"], "13:00–15:00"),
        ("OFF", (18, 9, 0), (18, 15, 0), ["W6"], ""),
        ("OFF", (18, 9, 15), (18, 15, 30), ["W6"], ""),
        ("OFF", (17, 15, 0), (18, 15, 0), ["W6"], ""),
        ("ON", (17, 15, 0), (18, 15, 0), [], ""),
        ("ON", (17, 15, 0), (18, 11, 30), ["W5"], "13:00–15:00"),
        ("ON", (18, 9, 15), (18, 15, 0), ["W6"], ""),
    ],
)
def test_the_polls_cover_the_hours_of_the_trading_platform(
    prevote, opening, closing, broken, missed
):
    polls_open_at, polls_close_at = (
        timezone.datetime(2025, 4, *at, tzinfo=lifecycle.BEIJING) for at in (opening, closing)
    )
    days = {"record_date": "2025-04-14", "meeting_date": "2025-04-18", "prevote": prevote}
    meeting = meeting_of(**days, polls_open_at=polls_open_at, polls_close_at=polls_close_at)

    faults = [fault for fault in faults_of_dates(meeting, read_calendar()) if fault.is_hard]

    assert [fault.rule for fault in faults] == broken
    assert all(f"交易系统投票时段{missed}。" in f.message for f in faults if f.rule == "W5")
    assert {fault.field for fault in faults} <= {"polls_open_at"}


@pytest.mark.django_db
def test_a_rehearsal_may_be_on_any_day():
    meeting = meeting_of(record_date="2025-10-04", meeting_date="2025-10-05", is_rehearsal=True)

    assert faults_of_dates(meeting, read_calendar()) == []


@pytest.mark.django_db
def test_nominees_ask_on_the_trading_day_before_even_across_a_holiday():
    meeting = meeting_of(record_date="2025-09-25", meeting_date="2025-10-09")

    found = {deadline.label: deadline.day for deadline in deadlines(meeting, read_calendar())}

    collection = next(day for label, day in found.items() if "征集" in label)
    assert collection == date(2025, 9, 30)


@pytest.mark.django_db
def test_motions_of_a_meeting_on_a_closed_day_are_not_confirmed():
    meeting = make_meeting(state="REGISTER_LOADED", is_rehearsal=False)
    sunday = date(2026, 6, 28)
    day = timezone.datetime(2026, 6, 28, 9, 15, tzinfo=lifecycle.BEIJING)
    Meeting.objects.update(
        meeting_date=sunday,
        record_date=sunday - timedelta(days=6),
        polls_open_at=day,
        polls_close_at=day.replace(hour=15, minute=0),
    )

    with pytest.raises(lifecycle.CannotAdvance, match="休市"):
        lifecycle.confirm_motions(meeting.pk, by="operator:1", now=timezone.now())

    assert Meeting.objects.get().state == "REGISTER_LOADED"
