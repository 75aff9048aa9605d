"""Addresses: holders at /v and /m, staff at /staff and /admin, secretaries at /secretary."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from voting_portal import health, metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ballots.urls")),
    path("", include("identity.urls")),
    path("admin/", admin.site.urls),
    path("secretary/", include("ballots.console_urls")),
    path("", include("notifications.urls")),
    path("live", health.live, name="live"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
]
