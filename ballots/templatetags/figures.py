"""Figures as holders read them: separated thousands, Beijing time, codes in groups of four."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from voting_portal.common import codes

register = template.Library()
BEIJING = ZoneInfo("Asia/Shanghai")


@register.filter
def separated(number: int | str) -> str:
    """1234567 -> 1,234,567; the mark of a fragment stays what it is."""
    return number if isinstance(number, str) else f"{number:,}"


@register.filter
def moment(at: datetime) -> str:
    """Day and time in Beijing; the words 北京时间 stand beside it in the page."""
    return formats.date_format(timezone.localtime(at, BEIJING), _("n月j日 H:i"))


@register.filter
def moment_exact(at: datetime) -> str:
    return formats.date_format(timezone.localtime(at, BEIJING), _("Y年n月j日 H:i:s"))


@register.filter
def day(at: datetime) -> str:
    return formats.date_format(at, _("Y年n月j日"))


@register.filter
def grouped(code: str) -> str:
    return codes.grouped(code)


@register.filter
def time_left(until: datetime, now: datetime) -> str:
    """2天3小时, 3小时5分钟, 5分钟; never less than a minute."""
    minutes = max(1, int((until - now).total_seconds()) // 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _("%(days)s天%(hours)s小时") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)s小时%(minutes)s分钟") % {"hours": hours, "minutes": minutes}
    return _("%(minutes)s分钟") % {"minutes": minutes}
