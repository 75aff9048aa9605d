"""Addresses of the vote: the link, the ballot and what anybody may read."""

from __future__ import annotations

from django.urls import path

from ballots import landing, public, views
from ballots.log import public as log_public
from ballots.log import views as log_views

app_name = "ballots"
urlpatterns = [
    path("", public.help_page, name="home"),
    path("v/", landing.landing, name="no-link"),
    path("v/<path:code>", landing.landing, name="link"),
    path("m/<int:meeting>", public.agenda_page, name="agenda"),
    path("m/<int:meeting>/ballot", views.ballot, name="ballot"),
    path("m/<int:meeting>/review", views.review, name="review"),
    path("m/<int:meeting>/cast", views.cast, name="cast"),
    path("m/<int:meeting>/confirmation", views.confirmation, name="confirmation"),
    path("m/<int:meeting>/promise", log_views.promise, name="promise"),
    path("m/<int:meeting>/promise.txt", log_views.promise_file, name="promise-file"),
    path("m/<int:meeting>/proof", log_views.proof_file, name="proof"),
    path("m/<int:meeting>/log", log_public.log_page, name="log"),
    path("m/<int:meeting>/log/checkpoint", log_public.checkpoint, name="log-checkpoint"),
    path("m/<int:meeting>/result", public.result, name="result"),
    path("m/<int:meeting>/documents/<int:number>", public.document, name="document"),
    path("help", public.help_page, name="help"),
    path("privacy", public.privacy, name="privacy"),
    path("robots.txt", public.robots, name="robots"),
]
