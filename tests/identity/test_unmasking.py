"""One holder's data in full: for auditors, one at a time, for a reason, on record."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity import limits, unmasking
from identity.unmasking import UNMASKED, unmask_holder
from meetings import keys
from meetings.models import Holder, JournalEntry, Meeting, MeetingKey
from meetings.register import records
from tests.factories import make_holder, make_meeting, make_operator, make_secretary
from voting_portal import detection
from voting_portal.common.logs import JsonFormatter
from voting_portal.common.roles import Role
from voting_portal.incidents.models import Incident

pytestmark = pytest.mark.django_db
NOW = timezone.now()
NAME, PHONE, ID_NUMBER, ACCOUNT = "欧阳小三", "15400000123", "110105194912310021", "A000000001"
FORM = {"sought": ACCOUNT, "name": "", "reason": "PHONE_OLD", "call": "H-2026-0042"}


@pytest.fixture
def holder():
    return make_holder(make_meeting(), name=NAME, phone=PHONE, id_number=ID_NUMBER)


@pytest.fixture
def page(holder):
    return reverse("admin:holder-unmask", args=[holder.meeting_id])


def browser_of(*roles):
    browser = Client()
    browser.force_login(make_operator(roles=list(roles)))
    return browser


@pytest.fixture
def auditor():
    return browser_of(Role.AUDITOR)


def unmask(meeting_id, by="operator:1", now=NOW, **changed):
    return unmask_holder(meeting_id, **{**FORM, **changed}, by=by, now=now)


def looks():
    return JournalEntry.objects.filter(verb=UNMASKED)


def test_an_auditor_sees_one_record_and_the_journal_says_so(holder, page, auditor):
    answer = auditor.post(page, FORM)

    assert answer.status_code == 200
    for shown in (NAME, PHONE, ID_NUMBER):
        assert shown in answer.text
    entry = looks().get()
    assert entry.actor.startswith("operator:")
    assert entry.meeting_id == holder.meeting_id
    assert entry.details == {"holder": 1, "reason": "PHONE_OLD", "call": "H-2026-0042"}


def test_the_page_is_kept_nowhere_and_its_address_says_nothing(page, auditor):
    answers = [auditor.get(page), auditor.post(page, FORM), auditor.post(page, {})]

    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert all("no-store, private" in answer.headers["Cache-Control"] for answer in answers)
    assert auditor.get(page, FORM).text.count(PHONE) == 0  # a question in an address is not heard
    assert looks().count() == 1


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
def test_nobody_else_finds_the_page(page, role):
    browser = Client()
    is_secretary = role is Role.SECRETARY
    issuer = Meeting.objects.get().issuer
    browser.force_login(make_secretary(issuer) if is_secretary else make_operator(roles=[role]))

    answers = [browser.get(page), browser.post(page, FORM), Client().post(page, FORM)]

    assert {answer.status_code for answer in answers} <= {302, 404}
    assert not looks().exists()


def test_only_an_auditor_is_led_there(holder):
    meeting = reverse("admin:meetings_meeting_change", args=[holder.meeting_id])
    way = reverse("admin:holder-unmask", args=[holder.meeting_id])

    assert way in browser_of(Role.AUDITOR).get(meeting).text
    assert way not in browser_of(Role.OPERATOR).get(meeting).text


@pytest.mark.parametrize(
    "sought",
    [{"sought": ACCOUNT}, {"sought": PHONE}, {"sought": ID_NUMBER, "name": NAME}],
    ids=["account", "phone", "name and ID number"],
)
def test_a_holder_is_found_by_what_a_caller_can_say(holder, sought):
    key = records.keys_of(holder.meeting_id).index
    Holder.objects.filter(pk=holder.pk).update(
        person_index=records.person_index(
            key, ymt="", name=NAME, id_type="01", id_number=ID_NUMBER, account=""
        )
    )
    make_holder(Meeting.objects.get(), name="李四五", phone="15400000124")

    assert unmask(holder.meeting_id, **sought).phone == PHONE


def test_a_holder_is_found_by_its_ymt(holder):
    key = records.keys_of(holder.meeting_id).index
    index = records.person_index(
        key, ymt="180000000001", name="", id_type="", id_number="", account=""
    )
    Holder.objects.filter(pk=holder.pk).update(person_index=index)

    assert unmask(holder.meeting_id, sought="180000000001").index == 1


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"reason": ""}, unmasking.NoReason),
        ({"reason": "CURIOUS"}, unmasking.NoReason),
        ({"call": ""}, unmasking.NoCall),
        ({"call": PHONE}, unmasking.NoCall),
        ({"call": ACCOUNT}, unmasking.NoCall),
        ({"call": "张三来电"}, unmasking.NoCall),
        ({"sought": "A999999999"}, unmasking.NobodyFound),
        ({"sought": ID_NUMBER, "name": ""}, unmasking.NobodyFound),
        ({"sought": ID_NUMBER, "name": "李四"}, unmasking.NobodyFound),
        ({"sought": "", "name": NAME}, unmasking.NobodyFound),
    ],
)
def test_what_is_not_said_or_not_found_shows_nothing(holder, changed, refusal):
    with pytest.raises(refusal):
        unmask(holder.meeting_id, **changed)

    assert not looks().exists()


def test_a_phone_of_several_holders_shows_none_of_them(holder, page, auditor):
    make_holder(Meeting.objects.get(), name="李四五", phone=PHONE)

    answer = auditor.post(page, {**FORM, "sought": PHONE})

    assert answer.status_code == 422
    assert "一次只能查看一位" in answer.text
    assert NAME not in answer.text
    assert ID_NUMBER not in answer.text
    assert not looks().exists()


def test_a_holder_of_another_meeting_is_not_found(holder):
    with pytest.raises(unmasking.NobodyFound):
        unmask(make_meeting().pk, sought=PHONE)

    assert not looks().exists()


def test_after_so_many_searches_an_hour_there_is_no_more(page, auditor):
    for _search in range(limits.UNMASKED.count):
        auditor.post(page, {**FORM, "sought": "A999999999"})

    answer = auditor.post(page, FORM)

    assert answer.status_code == 429
    assert PHONE not in answer.text
    assert not looks().exists()
    assert browser_of(Role.AUDITOR).post(page, FORM).status_code == 200  # counted by person


def test_without_redis_nothing_is_shown(page, auditor, settings):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    cache.close()

    answer = auditor.post(page, FORM)

    assert answer.status_code == 503
    assert PHONE not in answer.text
    assert not looks().exists()


def test_after_the_purge_nobody_is_shown(holder, page, auditor):
    Meeting.objects.update(purged_at=NOW)

    with pytest.raises(unmasking.RecordsGone):
        unmask(holder.meeting_id)
    assert auditor.get(page).status_code == 404
    assert auditor.post(page, FORM).status_code == 404
    assert not looks().exists()


def test_without_the_meetings_keys_nobody_is_shown(holder):
    MeetingKey.objects.all().delete()
    keys.forget()

    with pytest.raises(unmasking.RecordsGone):
        unmask(holder.meeting_id)

    assert not looks().exists()


def test_no_log_journal_or_cache_holds_what_was_typed_or_seen(page, auditor, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())

    for form in (FORM, {**FORM, "sought": PHONE}, {**FORM, "sought": ID_NUMBER, "name": NAME}):
        auditor.post(page, form)

    journal = repr(list(JournalEntry.objects.values_list("details", flat=True)))
    counted = cache._cache.get_client(None)
    in_redis = repr([(key, counted.dump(key)) for key in counted.scan_iter()])
    for secret in (NAME, PHONE, ID_NUMBER, ACCOUNT):
        assert secret not in caplog.text + journal + in_redis


def test_a_lookup_of_many_holders_by_one_person_is_an_incident(holder):
    times = [NOW - timedelta(minutes=5 * place) for place in range(detection.UNMASKED_MANY)]
    for at in times[1:]:
        unmask(holder.meeting_id, by="operator:7", now=at)
    unmask(holder.meeting_id, by="operator:8")
    detection.look(now=NOW)
    before = Incident.objects.filter(rule_name="PortalRecordsUnmasked").count()

    unmask(holder.meeting_id, by="operator:7", now=times[0])
    detection.look(now=NOW)

    incident = Incident.objects.get(rule_name="PortalRecordsUnmasked")
    assert before == 0
    assert incident.subject == "operator:7"
    assert incident.rule.role is Role.SECURITY
