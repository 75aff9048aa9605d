"""Who is left alone: by a reply or by staff, at every meeting, until it is lifted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from meetings.keys import meeting_key
from meetings.models import JournalEntry, MeetingKey
from meetings.register.records import phone_index
from notifications import suppressions
from notifications.models import Suppression, SuppressionKey
from tests.factories import make_meeting, make_operator, make_secretary

pytestmark = pytest.mark.django_db
PHONE = "15412345678"
BY = "operator:1"


def withdraw(phone=PHONE):
    suppressions.withdraw(phone=phone, by="gateway:sms", at=timezone.now())


def add(phone=PHONE, note="来电要求"):
    return suppressions.add_suppression(
        phone=phone, reason="REQUEST", note=note, by=BY, now=timezone.now()
    )


def lift(suppression, note="来电恢复"):
    suppressions.lift_suppression(suppression.pk, note=note, by=BY, now=timezone.now())


def verbs():
    entries = JournalEntry.objects.filter(verb__startswith="suppression.").order_by("id")
    return list(entries.values_list("verb", "actor"))


@pytest.mark.parametrize(
    "written",
    [PHONE, f"+86{PHONE}", f"86{PHONE}", f"0086{PHONE}", f"tel:+86{PHONE}", "154 1234-5678"],
)
def test_a_number_is_one_however_a_gateway_writes_it(written):
    withdraw(written)

    assert suppressions.suppressed({PHONE, "15400000001"}) == {PHONE}


def test_nobody_is_left_alone_unasked():
    assert suppressions.suppressed({PHONE}) == set()


def test_a_second_reply_changes_nothing():
    withdraw()
    withdraw()

    assert Suppression.objects.count() == 1
    assert verbs() == [("suppression.added", "gateway:sms")]


@pytest.mark.parametrize("phone", ["10086", "", "+1 212 555 0100", "一二三", "1541234567８"])
def test_a_reply_from_a_number_that_is_none_of_ours_is_let_pass(phone):
    withdraw(phone)

    assert not Suppression.objects.exists()
    assert verbs() == []


def test_the_number_is_sealed_and_masked():
    suppression = add()

    stored = str(Suppression.objects.filter(pk=suppression.pk).values())
    assert suppression.phone_masked == "154****5678"
    assert PHONE not in stored
    assert PHONE.encode() not in bytes(suppression.sealed)
    assert PHONE not in str(list(JournalEntry.objects.values()))


def test_the_index_is_under_a_key_of_the_portals_own():
    meeting = make_meeting(motions=False)
    suppression = add()

    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    at_the_meeting = phone_index(key, PHONE)

    assert bytes(suppression.phone_index) != at_the_meeting
    assert suppressions.indexes_at(meeting.pk) == [at_the_meeting]
    assert SuppressionKey.objects.count() == 1


def test_lifting_lets_messages_through_and_erases_the_number():
    suppression = add()

    lift(suppression)

    suppression.refresh_from_db()
    assert suppressions.suppressed({PHONE}) == set()
    assert bytes(suppression.sealed) == b""
    assert (suppression.lifted_by, suppression.lifting_note) == (BY, "来电恢复")
    assert verbs() == [("suppression.added", BY), ("suppression.lifted", BY)]


def test_who_opts_out_again_is_left_alone_again():
    lift(add())

    withdraw()

    assert suppressions.suppressed({PHONE}) == {PHONE}
    assert Suppression.objects.count() == 2


def test_nothing_is_lifted_twice():
    suppression = add()
    lift(suppression)

    with pytest.raises(suppressions.NotInForce):
        lift(suppression)

    assert len(verbs()) == 2


@pytest.mark.parametrize("note", ["", "  "])
def test_staff_say_why(note):
    suppression = add("15400000001")

    with pytest.raises(suppressions.NoReason):
        add(note=note)
    with pytest.raises(suppressions.NoReason):
        lift(suppression, note=note)

    assert suppressions.suppressed({PHONE, "15400000001"}) == {"15400000001"}


def test_what_is_no_number_is_refused():
    with pytest.raises(suppressions.NoNumber):
        add("12345")

    assert not Suppression.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_four_replies_at_once_one_counts():
    together = Barrier(4)

    def reply(_attempt):
        connection.ensure_connection()
        together.wait()
        try:
            withdraw()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reply, range(4)))

    assert Suppression.objects.count() == 1
    assert verbs() == [("suppression.added", "gateway:sms")]
    assert suppressions.suppressed({PHONE}) == {PHONE}


def test_staff_add_and_lift_on_pages_that_never_show_the_number(client):
    client.force_login(make_operator())
    add_url = reverse("admin:notifications_suppression_add")

    wrong = client.post(add_url, {"phone": "123", "reason": "REQUEST", "note": "来电"})
    listed = client.post(
        add_url, {"phone": PHONE, "reason": "REQUEST", "note": "来电"}, follow=True
    )
    suppression = Suppression.objects.get()
    lifted = client.post(
        reverse("admin:suppression-lift", args=[suppression.pk]), {"note": "恢复"}, follow=True
    )

    assert wrong.status_code == 422
    assert "11位" in wrong.text
    assert "154****5678" in listed.text
    assert "已解除" in lifted.text
    assert PHONE not in listed.text + lifted.text
    assert suppressions.suppressed({PHONE}) == set()


@pytest.mark.parametrize("role", ["APPROVER", "AUDITOR", "SYSTEM"])
def test_only_operators_add_and_lift(client, role):
    suppression = add()
    client.force_login(make_operator(roles=[role]))
    lift_url = reverse("admin:suppression-lift", args=[suppression.pk])

    refused = [
        client.post(reverse("admin:notifications_suppression_add"), {}).status_code,
        client.post(lift_url, {"note": "恢复"}).status_code,
    ]

    assert refused == [404, 404]
    assert suppressions.suppressed({PHONE}) == {PHONE}


def test_a_secretary_can_neither_add_nor_lift(client):
    suppression = add()
    client.force_login(make_secretary())

    client.post(reverse("admin:suppression-lift", args=[suppression.pk]), {"note": "恢复"})

    assert suppressions.suppressed({PHONE}) == {PHONE}
