"""The ballot log's tables: what waits to be logged, the leaves, and what was signed about them."""

from __future__ import annotations

from django.db import models
from django.db.models import Func
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from voting_portal.common import ids

# The database's clock at that moment, not at the transaction's beginning.
CLOCK = Func(function="clock_timestamp")


class QueuedEntry(models.Model):
    """Something promised to the log of its meeting, waiting for the sequencer (待入日志).

    Written in the transaction of what it is about, so that neither exists without the other.
    """

    meeting_id = models.IntegerField()
    kind = models.PositiveSmallIntegerField()  # commitment.Kind
    subject = models.BigIntegerField()  # the id of the ballot, vote or tally
    commitment = models.BinaryField(max_length=32)
    queued_at = models.DateTimeField(db_default=CLOCK)

    def __str__(self) -> str:
        return f"entry {self.pk} of meeting {self.meeting_id}"


class MeetingLog(models.Model):
    """The log of one meeting (选票日志): what it began with and how far it has grown.

    `size` and `frontier` are the tree's, as tree.py packs them. Nobody is shown a size before the
    close: it is the number of those who have voted.
    """

    meeting = models.OneToOneField(
        Meeting, models.PROTECT, primary_key=True, related_name="ballot_log"
    )
    origin = models.CharField(max_length=120)
    agenda = models.BinaryField()  # agenda.json as it was when holders were invited
    holders = models.PositiveIntegerField()  # leaves of the register's tree
    register_root = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    frontier = models.BinaryField()
    ballots = models.BigIntegerField(default=0)
    closed_size = models.BigIntegerField(null=True)  # of the checkpoint that ends with the close
    key = models.PositiveSmallIntegerField()  # number of the LogKey that signs it
    started_at = models.DateTimeField(db_default=CLOCK)

    def __str__(self) -> str:
        return self.origin


class LogLeafQuerySet(models.QuerySet["LogLeaf"]):
    def of_meeting(self, meeting: int) -> LogLeafQuerySet:
        first, end = ids.leaf_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class LogLeaf(models.Model):
    """A leaf of a meeting's log (日志条目); its id is the meeting and the place (common/ids.py)."""

    id = models.BigIntegerField(primary_key=True)
    kind = models.PositiveSmallIntegerField()
    subject = models.BigIntegerField()
    commitment = models.BinaryField(max_length=32)
    # Of every 256th leaf: the roots of the perfect subtrees of 2^8, 2^16, ... leaves ending here.
    roots = models.BinaryField(null=True)

    objects = LogLeafQuerySet.as_manager()

    class Meta:
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"leaf {ids.place_of_leaf(self.pk)}"


class CheckpointQuerySet(models.QuerySet["Checkpoint"]):
    def of_meeting(self, meeting: int) -> CheckpointQuerySet:
        first, end = ids.leaf_range(meeting)
        return self.filter(id__gte=first, id__lt=end)


class Checkpoint(models.Model):
    """What was signed when the log had grown up to a leaf (签名检查点); its id is that leaf's.

    `key` is the number of the LogKey that signed; where it handed over, the next one signed, too.
    """

    id = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    key = models.PositiveSmallIntegerField()
    signature = models.BinaryField(max_length=64)
    next_key = models.PositiveSmallIntegerField(null=True)
    next_signature = models.BinaryField(max_length=64, null=True)
    made_at = models.DateTimeField(db_default=CLOCK)

    objects = CheckpointQuerySet.as_manager()

    class Meta:
        managed = False  # partitioned; made by migration 0002

    def __str__(self) -> str:
        return f"checkpoint {self.size}"

    @property
    def size(self) -> int:
        return ids.place_of_leaf(self.pk) + 1


class Cosignature(models.Model):
    """A scrutineer's own signature under a checkpoint (监票人签名)."""

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="cosignatures"
    )
    size = models.BigIntegerField()  # of the checkpoint
    name = models.CharField(_("签名人"), max_length=100)
    public = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=72)  # its time and the signature
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["meeting", "size", "name"], name="cosigned_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.size}"
