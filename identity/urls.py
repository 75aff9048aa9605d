"""Addresses of identity: the code, preferences, and the sign-in of staff."""

from __future__ import annotations

from django.urls import path

from identity import attempts, preferences, staff_views, views, waiting

app_name = "identity"
urlpatterns = [
    path("start", views.start, name="start"),
    path("enter", views.enter, name="enter"),
    path("m/<int:meeting>/code", views.code, name="code"),
    path("m/<int:meeting>/wait", waiting.wait, name="wait"),
    path("m/<int:meeting>/ways", views.ways, name="ways"),
    path("m/<int:meeting>/with/<slug:name>", attempts.begin, name="provider-begin"),
    path("with/<slug:name>/start", attempts.begin_elsewhere, name="provider-start"),
    path("with/<slug:name>/back", attempts.back, name="provider-back"),
    path("institution/<str:secret>", views.institution, name="institution"),
    path("m/<int:meeting>/leave", views.leave, name="leave"),
    path("preferences", preferences.prefer, name="prefer"),
    path("staff/", staff_views.home, name="staff-home"),
    path("staff/login", staff_views.sign_in, name="staff-login"),
    path("staff/pass/<str:secret>", staff_views.sign_in_by_pass, name="staff-pass"),
    path("staff/second-factor", staff_views.give_second_factor, name="second-factor"),
    path("staff/logout", staff_views.sign_out, name="staff-logout"),
]
