from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IncidentsConfig(AppConfig):
    name = "voting_portal.incidents"
    label = "incidents"
    verbose_name = _("监测与处置")
