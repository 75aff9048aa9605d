"""The project as an app: its commands and system checks."""

from __future__ import annotations

import importlib

from django.apps import AppConfig

from voting_portal import env
from voting_portal.common import logs


class PortalConfig(AppConfig):
    name = "voting_portal"
    verbose_name = "网络投票一键通"

    def ready(self) -> None:
        importlib.import_module("voting_portal.checks")  # registers them
        if env.IS_PRODUCTION:
            logs.write_what_escapes()
