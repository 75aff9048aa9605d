"""Addresses for carriers, whose additions to what they were told are `place`; for holders and
secretaries."""

from __future__ import annotations

from django.urls import path

from notifications import console, preferences, views

app_name = "notifications"
urlpatterns = [
    path("secretary/<int:meeting>/reach", console.reach_page, name="reach"),
    path("m/<int:meeting>/messages", preferences.messages, name="messages"),
    path("gateway/<slug:name>/receipts", views.receipts, name="receipts"),
    path("gateway/<slug:name>/receipts/<slug:key>", views.receipts, name="secret-receipts"),
    path(
        "gateway/<slug:name>/receipts/<slug:key>/<path:place>",
        views.receipts,
        name="placed-receipts",
    ),
]
