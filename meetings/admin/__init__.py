"""Exchange staff at work: issuers, meetings, registers and the journal in Django admin."""

from __future__ import annotations

from meetings.admin import (
    agenda,
    calendar,
    journal,
    lists,
    profiles,
    register,
    side_lists,
    waiting,
)

__all__ = [
    "agenda",
    "calendar",
    "journal",
    "lists",
    "profiles",
    "register",
    "side_lists",
    "waiting",
]
