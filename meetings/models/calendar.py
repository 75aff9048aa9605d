"""The exchange's trading calendar (交易日历), kept by staff year by year."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CalendarYear(models.Model):
    """The days of a year that are no ordinary ones (交易日历); a year without a row is unknown.

    The exchange is closed on every Saturday and Sunday and on `closed_days`. People work on
    weekdays that are not closed and on `working_weekends` (调休上班), when the exchange is closed
    all the same.
    """

    year = models.PositiveSmallIntegerField(_("年份"), unique=True)
    closed_days = ArrayField(models.DateField(), verbose_name=_("休市日（周一至周五）"))
    working_weekends = ArrayField(
        models.DateField(), verbose_name=_("调休上班的周末"), default=list, blank=True
    )
    imported_by = models.CharField(_("导入人"), max_length=60)
    imported_at = models.DateTimeField(_("导入时间"))

    class Meta:
        verbose_name = _("交易日历")
        verbose_name_plural = _("交易日历")
        constraints = [
            models.CheckConstraint(
                condition=Q(year__gte=1991, year__lte=2199), name="calendar_year_range"
            ),
        ]

    def __str__(self) -> str:
        return str(self.year)
