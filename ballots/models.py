"""Ballots as cast (表决票). Rows are written once, by casting.py, and never changed (a trigger)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from ballots.log.commitment import code_of
from ballots.log.models import Checkpoint, Cosignature, LogLeaf, MeetingLog, QueuedEntry
from meetings.models import Holder, Meeting
from voting_portal.common import ids
from voting_portal.common.constraints import one_of

__all__ = [
    "Ballot",
    "BallotQuerySet",
    "Channel",
    "Checkpoint",
    "Cosignature",
    "LogLeaf",
    "MeetingLog",
    "Opinion",
    "OtherVote",
    "OtherVoteQuerySet",
    "QueuedEntry",
    "Tally",
    "TallyQuerySet",
    "TallyRequest",
    "VoteImport",
]


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
    candidate for a cumulative one, shares by opinion from a nominee (rules.py). `seq` is the order
    of acceptance inside one millisecond (D4).
    """

    id = models.BigIntegerField(primary_key=True)
    holder = models.ForeignKey(Holder, models.DO_NOTHING, db_constraint=False, related_name="+")
    share_class = models.PositiveSmallIntegerField()
    # As the register stood when it was cast; of a nominee, the shares declared (受托股份数).
    shares = models.BigIntegerField(_("股数"))
    choices = models.JSONField()
    level = models.PositiveSmallIntegerField(_("核验等级"))  # identity/voters.py
    commitment = models.BinaryField(max_length=32)  # to the ballot's record; log/records.py
    cast_at = models.DateTimeField(_("投票时间"))  # the database's clock
    seq = models.BigIntegerField(
        _("受理序号"), db_default=Func(Value("ballots_accept_seq"), function="nextval")
    )

    objects = BallotQuerySet.as_manager()

    class Meta:
        verbose_name = _("表决票")
        verbose_name_plural = _("表决票")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"ballot {self.code}"

    @property
    def code(self) -> str:
        """The confirmation code (确认码), 16 characters."""
        return code_of(bytes(self.commitment))


class Channel(models.TextChoices):
    """Where votes come from that were not cast on our own page (其他渠道)."""

    TRADING = "TRADING", _("交易系统投票平台")
    INTERNET = "INTERNET", _("互联网投票平台")
    ONSITE = "ONSITE", _("现场投票")


class VoteImport(models.Model):
    """A file of votes of another channel as it was received; the votes themselves: OtherVote."""

    meeting = models.ForeignKey(
        Meeting,
        models.PROTECT,
        db_index=False,
        related_name="vote_imports",
        verbose_name=_("股东会"),
    )
    channel = models.CharField(_("渠道"), max_length=8, choices=Channel)
    file_name = models.CharField(_("文件名"), max_length=255)
    file_size = models.PositiveBigIntegerField(_("文件大小（字节）"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    rows_read = models.PositiveIntegerField(_("读取行数"))
    votes = models.PositiveIntegerField(_("表决票数"))  # rows of one account, time and number
    accepted = models.PositiveIntegerField(_("无标记"))
    flagged = models.PositiveIntegerField(_("有标记"))
    reasons = models.JSONField(_("标记"), default=dict)  # {"OVER_LIMIT": 2}, a vote's first reason
    imported_by = models.CharField(_("导入人"), max_length=60)
    imported_at = models.DateTimeField(_("导入时间"))

    class Meta:
        verbose_name = _("其他渠道投票文件")
        verbose_name_plural = _("其他渠道投票文件")
        constraints = [
            one_of("channel", "TRADING INTERNET ONSITE", name="vote_import_channel_known"),
            models.UniqueConstraint(
                fields=["meeting", "channel", "sha256"], name="vote_import_once"
            ),
            models.CheckConstraint(
                condition=Q(votes=F("accepted") + F("flagged")),
                name="vote_import_counts_add_up",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class OtherVoteQuerySet(models.QuerySet["OtherVote"]):
    def of_meeting(self, meeting: int) -> OtherVoteQuerySet:
        first, end = ids.holder_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class OtherVote(models.Model):
    """What one account said at one moment in another channel; whole ballots and parts of them.

    Stored whatever rule it breaks (flags.py): `reasons` says which, `effect` what is left of it.
    The id carries the meeting as a holder's does.
    """

    class Effect(models.TextChoices):
        COUNTS = "COUNTS", _("计入")
        NOTHING = "NOTHING", _("不计")
        ADMITTED = "ADMITTED", _("仅计出席")  # an on-site vote that is void: present, abstains
        LISTED = "LISTED", _("无表决权，仅列示")

    id = models.BigIntegerField(primary_key=True)
    vote_import = models.ForeignKey(
        VoteImport, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    channel = models.CharField(_("渠道"), max_length=8, choices=Channel)
    holder_id = models.BigIntegerField(null=True)  # of the account; null: not on the register
    account_masked = models.CharField(_("证券账户"), max_length=10)
    share_class = models.PositiveSmallIntegerField()
    shares = models.BigIntegerField(_("股数"))  # the holder's of this class; 0: not on the register
    declared = models.BigIntegerField(_("受托股份数"), null=True)
    choices = models.JSONField()  # as Ballot.choices
    # Groups whose votes are invalid, with the reason: {"4.00": "OVER_LIMIT"}.
    invalid = models.JSONField(default=dict)
    reasons = ArrayField(models.CharField(max_length=20), default=list)
    effect = models.CharField(_("效力"), max_length=8, choices=Effect)
    voted_at = models.DateTimeField(_("表决时间"))
    seq = models.BigIntegerField(_("受理序号"))
    row = models.PositiveIntegerField(_("文件中的行"))

    objects = OtherVoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("其他渠道表决")
        verbose_name_plural = _("其他渠道表决")
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"{self.channel} {self.seq}"


class TallyRequestQuerySet(models.QuerySet["TallyRequest"]):
    def to_open(self) -> TallyRequestQuerySet:
        """Those that another person is to open."""
        return self.filter(meeting__state=Meeting.State.CLOSED, opened_by="")

    def being_opened(self) -> TallyRequestQuerySet:
        """Those that a worker is to count or counts."""
        return self.filter(meeting__state=Meeting.State.CLOSED).exclude(opened_by="")


class TallyRequest(models.Model):
    """An operator asked for the tally; somebody else must open it (双人启封).

    Who opens it is noted at once; a worker counts, and says how far it came.
    """

    class Stage(models.IntegerChoices):
        """What is being done, by how much of the work is behind it in percent."""

        WAITING = 0, _("等待后台处理")
        CHANNELS = 5, _("核对各渠道的表决")
        BALLOTS = 20, _("累加全部表决票")
        BREAKDOWNS = 75, _("累加须逐一核对的股东，编制明细")
        LOGGED = 90, _("适用计票规则，写入选票日志")

    meeting = models.OneToOneField(Meeting, models.PROTECT, related_name="tally_request")
    asked_by = models.CharField(_("申请人"), max_length=60)
    asked_at = models.DateTimeField(_("申请时间"))
    opened_by = models.CharField(_("监票人"), max_length=60, blank=True)
    opened_at = models.DateTimeField(_("启封时间"), null=True)
    stage = models.PositiveSmallIntegerField(choices=Stage, default=Stage.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)

    objects = TallyRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("计票申请")
        verbose_name_plural = _("计票申请")
        constraints = [
            models.CheckConstraint(condition=~Q(asked_by=""), name="tally_asked_by_somebody"),
            models.CheckConstraint(
                condition=~Q(opened_by=F("asked_by")), name="tally_opening_by_another"
            ),
            models.CheckConstraint(
                condition=Q(opened_by="", opened_at=None)
                | (~Q(opened_by="") & Q(opened_at__isnull=False)),
                name="tally_opening_has_moment",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=[0, 5, 20, 75, 90]), name="tally_stage_known"
            ),
        ]

    def __str__(self) -> str:
        return f"tally of {self.meeting} asked by {self.asked_by}"


class TallyQuerySet(models.QuerySet["Tally"]):
    def newest_of(self, meeting: int) -> Tally | None:
        """The result that holds; None while nothing is counted."""
        return self.filter(meeting=meeting).order_by("-version").first()


class Tally(models.Model):
    """The counted votes of a meeting and what follows from them (计票), as results.py wrote it.

    A corrected result is a new version that says why; the newest holds, and none is ever changed.
    """

    meeting = models.ForeignKey(
        Meeting,
        models.PROTECT,
        db_index=False,
        related_name="tallies",
        verbose_name=_("股东会"),
    )
    version = models.PositiveSmallIntegerField(_("版本"), default=1)
    reason = models.CharField(_("更正原因"), max_length=300, blank=True)
    content = models.JSONField()  # the document of results.py
    lists = models.BinaryField(default=bytes)  # lists.json that it was counted by; log/tallies.py
    asked_by = models.CharField(_("申请人"), max_length=60)
    counted_by = models.CharField(_("监票人"), max_length=60)
    counted_at = models.DateTimeField(_("计票时间"))

    objects = TallyQuerySet.as_manager()

    class Meta:
        verbose_name = _("计票结果")
        verbose_name_plural = _("计票结果")
        constraints = [
            models.UniqueConstraint(fields=["meeting", "version"], name="tally_version_once"),
            models.CheckConstraint(
                condition=Q(version=1, reason="") | (Q(version__gt=1) & ~Q(reason="")),
                name="tally_corrected_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(counted_by="") & ~Q(asked_by=""), name="tally_counted_by_somebody"
            ),
            models.CheckConstraint(
                condition=~Q(counted_by=F("asked_by")), name="tally_opened_by_two"
            ),
        ]

    def __str__(self) -> str:
        return f"tally {self.version} of {self.meeting}"
