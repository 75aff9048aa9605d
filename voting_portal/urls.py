"""Addresses: holders at /v and /m, staff at /staff and /admin, secretaries at /secretary."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from voting_portal import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("live", health.live, name="live"),
    path("ready", health.ready, name="ready"),
]
