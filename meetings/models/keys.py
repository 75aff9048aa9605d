"""The keys of a meeting, wrapped (会议密钥)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from meetings.models.meeting import Meeting
from voting_portal.common.constraints import one_of


class MeetingKey(models.Model):
    """A meeting's data key, wrapped by a key-encryption key; see keys.py.

    A table of its own, so that backups can leave it out: without it nothing personal opens.
    """

    class Purpose(models.TextChoices):
        RECORDS = "RECORDS", _("个人信息")
        INDEX = "INDEX", _("盲索引")
        LINKS = "LINKS", _("投票链接")
        CHALLENGES = "CHALLENGES", _("身份核验")

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    wrapped = models.BinaryField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            one_of("purpose", "RECORDS INDEX LINKS CHALLENGES", name="meeting_key_purpose_known"),
            models.UniqueConstraint(fields=["meeting", "purpose"], name="meeting_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of meeting {self.meeting_id}"
