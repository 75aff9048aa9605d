"""The keys of a meeting, wrapped (会议密钥)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from meetings.models.meeting import Meeting
from voting_portal.common.constraints import one_of

# A replaced key may be ended, which nobody can undo: by another person than replaced it.
_ENDED_BY_TWO = (
    Q(wrapped__isnull=True) & ~Q(replaced_by="") & ~Q(ended_by="") & ~Q(ended_by=F("replaced_by"))
)
_IN_FORCE = Q(wrapped__isnull=False, ended_by="")


class MeetingKey(models.Model):
    """A meeting's data key, wrapped by a key-encryption key; see keys.py.

    A table of its own, so that backups can leave it out: without it nothing personal opens. Links
    may have several keys, told apart by the id that each link carries; new ones take the newest.
    Of a key that two people ended the row stays, without the key, and says who they were.
    """

    class Purpose(models.TextChoices):
        RECORDS = "RECORDS", _("个人信息")
        INDEX = "INDEX", _("盲索引")
        LINKS = "LINKS", _("投票链接")
        CHALLENGES = "CHALLENGES", _("身份核验")
        LOG = "LOG", _("选票日志")

    meeting = models.ForeignKey(Meeting, models.PROTECT, db_index=False, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    key_id = models.PositiveSmallIntegerField(default=1)
    wrapped = models.BinaryField(null=True)  # null once it is ended
    made_by = models.CharField(max_length=60, blank=True)
    made_at = models.DateTimeField(db_default=Now())
    replaced_by = models.CharField(max_length=60, blank=True)  # who made a newer one
    ended_by = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            one_of(
                "purpose", "RECORDS INDEX LINKS CHALLENGES LOG", name="meeting_key_purpose_known"
            ),
            models.UniqueConstraint(
                fields=["meeting", "purpose", "key_id"], name="meeting_key_once"
            ),
            models.CheckConstraint(
                condition=Q(key_id=1) | Q(purpose="LINKS", key_id__gte=1, key_id__lte=63),
                name="meeting_key_id_fits_links",
            ),
            models.CheckConstraint(
                condition=_IN_FORCE | (Q(purpose="LINKS") & _ENDED_BY_TWO),
                name="meeting_key_ended_by_two",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of meeting {self.meeting_id}"


class LogKey(models.Model):
    """A key that signs ballot logs (日志签名密钥): an Ed25519 seed, wrapped; see log_keys.py."""

    number = models.PositiveSmallIntegerField(unique=True)
    name = models.CharField(max_length=100)  # settings.LOG_NAME when the first one was made
    public = models.BinaryField(max_length=32)
    wrapped = models.BinaryField(null=True)  # null once it is retired
    made_at = models.DateTimeField(db_default=Now())
    replaced_by = models.CharField(max_length=60, blank=True)  # who made a newer one
    ended_by = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=_IN_FORCE | _ENDED_BY_TWO, name="log_key_ended_by_two")
        ]

    def __str__(self) -> str:
        return f"log key {self.number} of {self.name}"
