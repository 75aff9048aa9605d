"""Lists beside the register (名单): who must not vote, who is no minority holder, who is what."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meetings.models.agenda import Motion
from meetings.models.meeting import Meeting
from meetings.models.register import Holder, ImportedFile, ImportedFileManager
from voting_portal.common.constraints import one_of


class ListImport(ImportedFile):
    """A side list (名单) of a meeting as it was received: whom it names, what was wrong with it."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="list_imports")
    kind = models.CharField(_("名单"), max_length=20)  # a key of register/side_lists.py

    objects = ImportedFileManager["ListImport"]()

    class Meta:
        verbose_name = _("名单导入")
        verbose_name_plural = _("名单导入")
        constraints = [*ImportedFile.Meta.constraints]


class Contact(models.Model):
    """A phone from a contact file (联系方式), by account or 一码通: sealed, and kept for the next
    version of the register, too."""

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, related_name="contacts", db_index=False
    )  # the indexes below begin with it
    account_index = models.BinaryField(max_length=16, null=True)
    person_index = models.BinaryField(max_length=16, null=True)
    phone_index = models.BinaryField(max_length=16)
    sealed = models.BinaryField()  # the phone, bound to the index; register/contacts.py

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["meeting", "account_index"], name="contact_of_account"),
            models.UniqueConstraint(fields=["meeting", "person_index"], name="contact_of_person"),
            models.CheckConstraint(
                condition=Q(account_index__isnull=True) ^ Q(person_index__isnull=True),
                name="contact_by_account_or_person",
            ),
        ]

    def __str__(self) -> str:
        return f"contact {self.pk}"


class ListedHolder(models.Model):
    """A holder on a list of the meeting, named by an account.

    The account survives a new version of the register; `holder_id` is found anew each time.
    """

    name = models.CharField(_("股东名称"), max_length=100, help_text=_("与会议公告一致"))
    account_index = models.BinaryField(max_length=16, editable=False)
    account_masked = models.CharField(_("证券账户"), max_length=10, editable=False)
    holder_id = models.BigIntegerField(null=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Recusal(ListedHolder):
    """A related holder who must not vote on a motion (回避表决)."""

    motion = models.ForeignKey(Motion, models.CASCADE, db_index=False, related_name="recusals")

    class Meta:
        verbose_name = _("回避表决")
        verbose_name_plural = _("回避表决")
        constraints = [
            models.UniqueConstraint(fields=["motion", "account_index"], name="recusal_once")
        ]
        # A holder's page asks whether the holder has any.
        indexes = [models.Index(fields=["holder_id"], name="recusal_of_holder")]


class Insider(ListedHolder):
    """A director or senior manager (董监高), who is no minority holder whatever the holding."""

    meeting = models.ForeignKey(Meeting, models.PROTECT, db_index=False, related_name="insiders")

    class Meta:
        verbose_name = _("董监高")
        verbose_name_plural = _("董监高")
        constraints = [
            models.UniqueConstraint(fields=["meeting", "account_index"], name="insider_once")
        ]


class ConcertParty(ListedHolder):
    """A holder who acts in concert with the others of its group (一致行动人)."""

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="concert_parties"
    )
    group = models.PositiveSmallIntegerField(_("组别"), default=1)

    class Meta:
        verbose_name = _("一致行动人")
        verbose_name_plural = _("一致行动人")
        constraints = [
            models.UniqueConstraint(
                fields=["meeting", "group", "account_index"], name="concert_party_once"
            )
        ]


class KindDecision(ListedHolder):
    """What staff decided a holder is, where the register's name says something else (身份认定)."""

    meeting = models.ForeignKey(
        Meeting, models.PROTECT, db_index=False, related_name="kind_decisions"
    )
    kind = models.CharField(_("类别"), max_length=1, choices=Holder.Kind)

    class Meta:
        verbose_name = _("身份认定")
        verbose_name_plural = _("身份认定")
        constraints = [
            one_of("kind", "I O N V", name="kind_decision_known"),
            models.UniqueConstraint(fields=["meeting", "account_index"], name="kind_decision_once"),
        ]
