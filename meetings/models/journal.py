"""The journal (会务日志)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from meetings.models.meeting import Meeting


class JournalEntry(models.Model):
    """One thing that happened to a meeting (会务日志): append-only by trigger.

    Each entry is linked to the one before it, so that none can be changed, put in or taken out
    unseen even by whoever owns the database (journal.py).
    """

    meeting = models.ForeignKey(
        Meeting,
        models.PROTECT,
        related_name="journal",
        null=True,
        db_index=False,  # the index below begins with it
        verbose_name=_("股东会"),
    )
    verb = models.CharField(_("事项"), max_length=40)  # "register.approved"
    actor = models.CharField(_("操作者"), max_length=60)  # "operator:3", "system:beat"
    at = models.DateTimeField(_("时间"))
    details = models.JSONField(_("详情"), default=dict)
    link = models.BinaryField(max_length=32, db_default=b"", editable=False)  # by trigger

    class Meta:
        verbose_name = _("会务日志")
        verbose_name_plural = _("会务日志")
        indexes = [models.Index(fields=["meeting", "-id"], name="journal_of_meeting")]

    def __str__(self) -> str:
        return f"{self.verb} {self.actor}"
