"""A meeting that has been through everything, and the sentences about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.log.promises import promise_of
from ballots.models import Channel
from ballots.opening import ask_for_tally, open_tally
from identity.models import Assertion, Challenge, InstitutionEntry
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import Contact, Holder, Meeting, RegisterPart
from meetings.preparing import name_concert_party, name_insider, recuse
from notifications.models import Campaign, Delivery, DeliveryBatch, GatewayRef
from tests.ballots.log.test_sequencing import log_everything
from tests.ballots.test_importing import take_in
from tests.factories import make_holder, make_meeting, make_register
from voting_portal.common import ids

NAME, PHONE, ID = "欧阳清零", "15477665544", "310115199001011239"


@dataclass
class Lived:
    """A rehearsal with votes, a tally, messages and codes; and a promise that a holder kept."""

    meeting: Meeting
    holder: Holder
    promise: str


def live_through(**fields: object) -> Lived:
    """Everything that leaves rows of holders behind."""
    now = timezone.now()
    meeting = make_meeting(now=now, **fields)
    holder = make_holder(meeting, name=NAME, phone=PHONE, id_number=ID)
    others = [make_holder(meeting, shares=shares) for shares in (700, 300, 50)]
    words = {"by": "operator:1", "now": now}
    motion = meeting.motions.get(group=2)
    recuse(motion, account="A000000003", name="虚构关联方", **words)
    name_insider(meeting.pk, account="A000000002", name="虚构董事", **words)
    name_concert_party(meeting.pk, group=1, account="A000000004", name="虚构一致行动人", **words)
    ballots = [
        cast_ballot(
            entitlement=read_entitlement(voter.pk, 0),
            agenda=read_agenda(meeting.pk),
            share_class=0,
            choices={"1.00": "FOR", "2.00": "AGAINST"},
            level=1,
        )
        for voter in (holder, others[0])
    ]
    _leave_rows(meeting, holder)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    take_in(meeting, "A000000004,1.00,反对,,,,,,,", channel=Channel.ONSITE)
    log_everything()
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)
    log_everything()
    meeting.refresh_from_db()
    return Lived(meeting, holder, promise_of(ballots[0]))


def _leave_rows(meeting: Meeting, holder: Holder) -> None:
    now = timezone.now()
    register = make_register(
        meeting,
        state="LOADED",
        approved_by="operator:2",
        errors=[{"value": "310***239"}],
        fault_list=b"packed",
    )
    RegisterPart.objects.create(register=register, number=0, sealed=b"part")
    Contact.objects.create(
        meeting=meeting, account_index=b"a" * 16, phone_index=b"p" * 16, sealed=b"phone"
    )
    until = now + timedelta(minutes=10)
    Challenge.objects.create(
        holder=holder,
        phone_index=b"p" * 16,
        browser_hash=b"b" * 32,
        code_hash=b"c" * 32,
        sent_at=now,
        expires_at=until,
    )
    Assertion.objects.create(
        holder=holder,
        provider="broker",
        level=2,
        ref_hash=bytes([meeting.pk % 256]) * 32,
        proved_at=now,
        accepted_at=now,
    )
    InstitutionEntry.objects.create(
        holder=holder,
        generation=0,
        secret_hash=bytes([meeting.pk % 256]) * 32,
        account_masked="A***",
        issued_by="operator:1",
        issued_at=now,
        expires_at=until,
    )
    campaign = Campaign.objects.create(
        meeting=meeting,
        number=0,
        plan=[[{"gateway": "sms", "weight": 1}]],
        created_by="operator:1",
        preview={"told": 1, "samples": ["欧阳**,请投票"]},
    )
    batch = DeliveryBatch.objects.create(campaign=campaign, gateway="sms")
    delivery = ids.delivery_id(holder.pk, 0, 0)
    Delivery.objects.create(id=delivery, holder=holder, batch=batch, changed_at=now)
    GatewayRef.objects.create(gateway="sms", ref="r1", delivery=delivery, made_at=now)


@pytest.fixture
def lived(db) -> Lived:
    return live_through()


@pytest.fixture
def after(lived):
    """A moment at which the period of the meeting is over."""
    return lived.meeting.polls_sealed_at + timedelta(days=31)
