"""Addresses of the secretary's pages."""

from __future__ import annotations

from django.urls import path

from ballots import console

app_name = "console"
urlpatterns = [
    path("", console.meetings, name="meetings"),
    path("<int:meeting>/", console.meeting_page, name="meeting"),
    path("<int:meeting>/agenda", console.agenda_page, name="agenda"),
    path("<int:meeting>/documents/<int:number>", console.document, name="document"),
    path("<int:meeting>/onsite", console.onsite, name="onsite"),
    path("<int:meeting>/exceptions.csv", console.exceptions, name="exceptions"),
    path("<int:meeting>/detail.csv", console.detail, name="detail"),
    path("<int:meeting>/result.<str:form>", console.download, name="download"),
]
