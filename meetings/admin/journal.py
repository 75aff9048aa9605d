"""Who did what, to be read and searched, never changed."""

from __future__ import annotations

from django.contrib import admin

from meetings.models import JournalEntry
from voting_portal.admin import OperatorAdmin
from voting_portal.common.roles import READS_JOURNAL


@admin.register(JournalEntry)
class JournalAdmin(OperatorAdmin):
    readers = READS_JOURNAL
    list_display = ("at", "meeting", "verb", "actor", "details")
    list_filter = ("verb",)
    list_select_related = ("meeting__issuer",)
    search_fields = ("meeting__issuer__security_code", "actor", "verb")
    ordering = ("-id",)
