"""Ballots as cast (表决票). Rows are written once, by casting.py, and never changed (a trigger)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meetings.models import Holder, Meeting
from voting_portal.common import ids


class Opinion(models.TextChoices):
    """What a ballot says on a motion (表决意见)."""

    FOR = "FOR", _("同意")
    AGAINST = "AGAINST", _("反对")
    ABSTAIN = "ABSTAIN", _("弃权")


class BallotQuerySet(models.QuerySet["Ballot"]):
    def of_meeting(self, meeting: int) -> BallotQuerySet:
        first, end = ids.ballot_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class Ballot(models.Model):
    """All that one holder said with one class of shares at one meeting; the first one counts.

    Its id is the holder and the class (common/ids.py), so a second one meets the primary key.
    `choices` is `{"1.00": "FOR", "4.00": {"4.01": 30000}}`: an opinion by plain motion, votes by
    candidate for a cumulative one.
    """

    id = models.BigIntegerField(primary_key=True)
    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    share_class = models.PositiveSmallIntegerField()
    shares = models.BigIntegerField(_("股数"))  # as the register stood when it was cast
    choices = models.JSONField()
    level = models.PositiveSmallIntegerField(_("核验等级"))  # identity/voters.py
    code = models.CharField(_("确认码"), max_length=16)
    cast_at = models.DateTimeField(_("投票时间"))  # the database's clock

    objects = BallotQuerySet.as_manager()

    class Meta:
        verbose_name = _("表决票")
        verbose_name_plural = _("表决票")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"ballot {self.code}"


class Tally(models.Model):
    """The counted votes of a meeting and what follows from them (计票), as results.py wrote it."""

    meeting = models.OneToOneField(Meeting, models.PROTECT, related_name="tally")
    content = models.JSONField()  # the document of tally.py
    counted_by = models.CharField(_("计票人"), max_length=60)
    counted_at = models.DateTimeField(_("计票时间"))

    class Meta:
        verbose_name = _("计票结果")
        verbose_name_plural = _("计票结果")
        constraints = [
            models.CheckConstraint(condition=~Q(counted_by=""), name="tally_counted_by_somebody")
        ]

    def __str__(self) -> str:
        return f"tally of {self.meeting}"
