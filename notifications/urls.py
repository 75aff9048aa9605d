"""Addresses for carriers. What a carrier adds to the address that it was told is `place`."""

from __future__ import annotations

from django.urls import path

from notifications import views

app_name = "notifications"
urlpatterns = [
    path("gateway/<slug:name>/receipts", views.receipts, name="receipts"),
    path("gateway/<slug:name>/receipts/<slug:key>", views.receipts, name="secret-receipts"),
    path(
        "gateway/<slug:name>/receipts/<slug:key>/<path:place>",
        views.receipts,
        name="placed-receipts",
    ),
]
