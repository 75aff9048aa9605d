"""What a provider vouched for, taken once (核验结果): whose session it opens, and at which level.

A broker names the securities account of whoever is there; it is looked up by its blind index among
the accounts of the meeting. Nothing of it is kept but the provider, the time, and a reference that
makes the same evidence count once.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from identity.links import Link
from identity.models import Assertion
from identity.providers import Attempt, CannotProve, Evidence
from meetings.keys import KeyDestroyed, meeting_key
from meetings.models import Holder, Holding, MeetingKey
from meetings.register.records import account_index


class NotOnRegister(CannotProve):
    message = _("您在该机构的证券账户不在本次会议的股东名册中。")


class AnotherHolder(CannotProve):
    message = _("核验的不是本链接的股东，请使用您本人的账户，或重新打开您自己的链接。")


class UsedAlready(CannotProve):
    message = _("这次核验已经使用过，请重新核验。")


@transaction.atomic
def accept(attempt: Attempt, evidence: Evidence, *, now: datetime) -> Link:
    """Note the evidence and return whose session it opens.

    NotOnRegister, AnotherHolder; UsedAlready when the same evidence came before, which the
    constraint `assertion_once` decides between two at once.
    """
    holder = _holder(attempt, evidence)
    try:
        with transaction.atomic():
            Assertion.objects.create(
                holder=holder,
                provider=evidence.provider,
                level=evidence.level,
                ref_hash=hashlib.sha256(evidence.ref.encode()).digest(),
                proved_at=evidence.proved_at,
                accepted_at=now,
            )
    except IntegrityError as error:
        if "assertion_once" not in str(error):
            raise
        raise UsedAlready("the evidence came before") from None
    return Link(holder.pk, attempt.meeting_id, holder.link_generation)


def _holder(attempt: Attempt, evidence: Evidence) -> Holder:
    """The holder whom the evidence is about, who is the attempt's where it has one."""
    holder_id = attempt.holder_id
    if evidence.account:
        try:
            key = meeting_key(attempt.meeting_id, MeetingKey.Purpose.INDEX)
        except KeyDestroyed:  # the meeting was purged while the browser was away
            raise NotOnRegister("the meeting's keys are gone") from None
        holding = (
            Holding.objects.of_meeting(attempt.meeting_id)
            .filter(account_index=account_index(key, evidence.account))
            .first()
        )
        if holding is None:
            raise NotOnRegister("the account is not on the register")
        if attempt.holder_id and holding.holder_id != attempt.holder_id:
            raise AnotherHolder("the account is another holder's")
        holder_id = holding.holder_id
    holder = Holder.objects.filter(pk=holder_id).first() if holder_id else None
    if holder is None:
        raise NotOnRegister("the evidence names nobody")
    if attempt.holder_id and holder.link_generation != attempt.generation:
        raise AnotherHolder("the link was replaced")
    return holder
