"""Whom a campaign of each kind tells, and why the others are left out."""

from __future__ import annotations

import pytest
from django.utils import timezone

from notifications import campaigns, suppressions
from notifications.audiences import count_left_out, select_audience
from notifications.models import Campaign, Delivery
from notifications.wording import default_wording
from tests.factories import make_holder, make_holders, make_meeting
from tests.notifications.conftest import start_campaign
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
State = Delivery.State
NOW = timezone.now


@pytest.fixture
def meeting(gateways):
    return make_meeting(motions=False)


def left_out(meeting, kind):
    """How many of the meeting a campaign of this kind would leave out, by why."""
    return dict(count_left_out(Campaign(meeting=meeting, number=99, kind=kind)))


def told(campaign):
    holders = Delivery.objects.of_campaign(campaign).values_list("holder_id", flat=True)
    return sorted(ids.index_of(holder) for holder in holders)


def notice_that_ended(meeting, *states):
    """A notice whose first deliveries ended in these states; the rest was delivered."""
    campaign = start_campaign(meeting)
    deliveries = list(Delivery.objects.of_campaign(campaign).order_by("id"))
    for number, delivery in enumerate(deliveries):
        state = states[number] if number < len(states) else State.DELIVERED
        Delivery.objects.filter(pk=delivery.pk).update(state=state)
    return campaign


def send(meeting, kind):
    return start_campaign(meeting, kind=kind, wording=default_wording(kind))


def test_everybody_is_told_or_left_out_for_one_reason(meeting):
    make_holder(meeting)
    make_holder(meeting, kind="O", phone="15400000002")
    make_holder(meeting, phone="")
    make_holder(meeting, kind="N")
    make_holder(meeting, kind="V", phone="")
    make_holder(meeting, phone="15400000003")
    suppressions.withdraw(phone="15400000003", by="gateway:sms", at=NOW())

    found = left_out(meeting, "NOTICE")

    assert found == {"": 2, "no phone": 1, "not addressed": 2, "opted out": 1}


@pytest.mark.parametrize("kind", ["NOTICE", "REMINDER", "CORRECTION"])
def test_who_opted_out_at_another_meeting_is_left_out_of_every_kind(meeting, kind):
    make_holders(meeting, 3)
    notice_that_ended(meeting) if kind == "CORRECTION" else None
    suppressions.withdraw(phone="15400000002", by="gateway:sms", at=NOW())

    campaign = send(meeting, kind)

    assert told(campaign) == [1, 3]


@pytest.mark.parametrize(
    ("state", "is_told_again"),
    [
        (State.QUEUED, False),
        (State.SENDING, False),
        (State.UNKNOWN, False),
        (State.ACCEPTED, False),
        (State.NETWORK, False),
        (State.DELIVERED, False),
        (State.DISPLAYED, False),
        (State.SKIPPED, True),
        (State.UNREACHED, True),
        (State.EXPIRED, True),
        (State.FAILED, True),
    ],
)
def test_nobody_gets_a_second_notice_but_whom_the_first_did_not_reach(
    meeting, state, is_told_again
):
    make_holders(meeting, 1)
    notice_that_ended(meeting, state)

    found = left_out(meeting, "NOTICE")

    assert found == ({"": 1} if is_told_again else {"told already": 1})


def test_a_correction_goes_to_whom_the_notice_may_have_reached(meeting):
    make_holders(meeting, 7)
    notice_that_ended(
        meeting, State.UNKNOWN, State.ACCEPTED, State.FAILED, State.QUEUED, State.SKIPPED
    )

    correction = send(meeting, "CORRECTION")

    assert told(correction) == [1, 2, 6, 7]
    assert correction.preview["left_out"] == {"never told": 3}


def test_a_reminder_leaves_out_only_numbers_that_the_notice_found_dead(meeting):
    make_holders(meeting, 5)
    notice_that_ended(meeting, State.FAILED, State.UNREACHED, State.SKIPPED, State.UNKNOWN)

    reminder = send(meeting, "REMINDER")

    assert told(reminder) == [2, 3, 4, 5]
    assert reminder.preview["left_out"] == {"dead number": 1}


def test_a_number_is_not_dead_when_a_later_step_reached_it(meeting):
    make_holders(meeting, 1)
    notice = notice_that_ended(meeting, State.FAILED)
    first = Delivery.objects.of_campaign(notice).get()
    Delivery.objects.create(
        id=first.pk + 1,
        holder_id=first.holder_id,
        batch_id=first.batch_id,
        state=State.ACCEPTED,
        changed_at=NOW(),
    )

    assert left_out(meeting, "REMINDER") == {"": 1}


def test_what_became_of_a_reminder_decides_nothing(meeting):
    make_holders(meeting, 3)
    reminder = send(meeting, "REMINDER")
    Delivery.objects.of_campaign(reminder).update(state=State.FAILED)

    assert left_out(meeting, "REMINDER") == {"": 3}


def test_a_result_goes_to_everybody_once(meeting):
    make_holders(meeting, 2)
    notice_that_ended(meeting)
    meeting.is_rehearsal, meeting.state = False, "PUBLISHED"
    meeting.save()

    campaign = send(meeting, "RESULT")

    assert campaign.planned == 2
    with pytest.raises(campaigns.NobodyToTell):
        send(meeting, "RESULT")


def test_a_cancelled_notice_has_told_nobody(meeting):
    make_holders(meeting, 2)
    campaigns.cancel_campaign(start_campaign(meeting).pk, by="operator:1", now=NOW())

    assert left_out(meeting, "NOTICE") == {"": 2}
    assert left_out(meeting, "REMINDER") == {"": 2}


def test_the_audience_is_what_was_counted(meeting):
    make_holders(meeting, 4)
    query, parameters = select_audience(
        Campaign(meeting=meeting, number=0, kind="NOTICE"), within=ids.holder_range(meeting.pk)
    )

    from_query = Campaign.objects.raw(f"SELECT id FROM ({query}) AS audience", parameters)

    assert len(list(from_query)) == left_out(meeting, "NOTICE")[""]
