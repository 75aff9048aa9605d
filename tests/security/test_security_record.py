"""The security record: every sign-in, refusal, limit and canary is one line of one schema."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity import canaries, institutions, limits, staff
from identity.links import personal_url
from meetings.models import JournalEntry
from tests.factories import make_holder, make_issuer, make_meeting, make_operator, make_secretary
from voting_portal.common.logs import JsonFormatter
from voting_portal.common.security_notes import Note, holder_actor, network_of

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
SCHEMA = {"at", "level", "logger", "request", "message", "event", "actor", "address"}
FACTS = {
    *("way", "reason", "proved", "meeting", "canary", "view", "method", "status"),
    *("limit", "counted_by"),
}


class Written:
    """What the security logger has written, as its lines say it."""

    def __init__(self):
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(JsonFormatter())

    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, what):
        return [line for line in self.lines() if line["event"] == what]

    def facts(self):
        """Of each line what was noted, without the time and the request."""
        left_out = {"at", "level", "logger", "request", "message", "address"}
        return [{k: v for k, v in line.items() if k not in left_out} for line in self.lines()]


@pytest.fixture(autouse=True)
def written():
    limits.forget()
    found = Written()
    logger = logging.getLogger("security")
    logger.addHandler(found.handler)
    yield found
    logger.removeHandler(found.handler)


@pytest.fixture
def holder():
    return make_holder(make_meeting())


def begun(client, holder):
    client.post(urlsplit(personal_url(holder.pk, 0)).path)
    return reverse("identity:code", args=[holder.meeting_id])


def with_password():
    user = make_operator()
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client, user, password=PASSWORD, **request):
    form = {"username": user.username, "password": password}
    return client.post(reverse("identity:staff-login"), form, **request)


# --- Holders -----------------------------------------------------------------------------------


def test_a_step_up_by_code_is_on_record_from_asking_to_leaving(client, holder, written, handset):
    page = begun(client, holder)

    client.post(page, {"code": "000000" if handset.code() != "000000" else "111111"})
    client.post(page, {"code": handset.code()})
    client.post(reverse("identity:leave", args=[holder.meeting_id]))

    who = {"actor": holder_actor(holder.pk), "meeting": holder.meeting_id}
    assert written.facts() == [
        {"event": "holder.code_asked", **who},
        {"event": "holder.not_verified", **who, "way": "code", "reason": "WrongCode"},
        {"event": "holder.verified", **who, "way": "code", "proved": 1},
        {"event": "holder.signed_out", **who},
    ]


def test_a_nominees_entry_is_on_record_used_or_over(client, written):
    meeting = make_meeting()
    holder = make_holder(meeting, kind="N", account="A000000009")
    now = timezone.now()
    address = institutions.open_entry(meeting.pk, account="A000000009", by="operator:1", now=now)

    for _twice in range(2):
        client.post(urlsplit(address).path)

    assert [(f["event"], f["way"], f["actor"]) for f in written.facts()] == [
        ("holder.verified", "institution", holder_actor(holder.pk)),
        ("holder.not_verified", "institution", ""),
    ]


def test_a_wrong_vote_code_is_on_record_without_what_was_typed(client, holder, written):
    typed = {"security_code": "600001", "vote_code": "ABCDEFGHJK"}

    client.post(reverse("identity:enter"), typed)

    (line,) = written.of("holder.not_verified")
    assert (line["way"], line["reason"]) == ("vote-code", "WrongVoteCode")
    assert not set(typed.values()) & set(map(str, line.values()))


def test_a_form_of_nobody_is_on_record(written):
    Client(enforce_csrf_checks=True).post("/m/1/leave", {"x": "1"})

    assert [line["view"] for line in written.of("form.refused")] == ["identity:leave"]


def test_a_canary_is_on_record(client, holder, written):
    client.get(urlsplit(canaries.canary_url(holder.meeting_id, 7)).path)

    assert written.facts() == [
        {"event": "canary.opened", "actor": "", "meeting": holder.meeting_id, "canary": 7}
    ]


def test_a_used_up_limit_is_on_record_once(client, written):
    for number in range(limits.INVALID_LINKS.count + 30):
        client.get(f"/v/{number:025d}", REMOTE_ADDR="198.51.100.7")

    (line,) = written.of("limit.reached")
    assert (line["limit"], line["address"]) == ("invalid-link", "198.51.100.0/24")


# --- Staff and secretaries ---------------------------------------------------------------------


def test_signing_in_and_out_is_on_record_and_in_the_journal(client, written):
    user = with_password()

    sign_in(client, user, REMOTE_ADDR="192.0.2.9")
    client.post(reverse("identity:staff-logout"))

    assert written.facts() == [
        {"event": "staff.signed_in", "actor": user.actor, "way": "password"},
        {"event": "staff.signed_out", "actor": user.actor},
    ]
    kept = JournalEntry.objects.order_by("id").values_list("verb", "actor", "details")
    assert list(kept) == [
        ("staff.signed_in", user.actor, {"way": "password", "address": "192.0.2.0/24"}),
        ("staff.signed_out", user.actor, {}),
    ]


def test_the_admins_own_way_out_is_on_record_too(client, written):
    sign_in(client, with_password())

    client.post("/admin/logout/")

    assert len(written.of("staff.signed_out")) == 1
    assert client.get("/admin/").status_code == 302


def test_each_factor_is_on_record(client, written, settings):
    settings.STAFF_SECOND_FACTOR = True
    user = make_operator()
    device = TOTPDevice.objects.create(user=user, confirmed=True)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    path = urlsplit(staff.issue_pass(user, lifetime=timedelta(hours=1), now=timezone.now())).path
    page = reverse("identity:second-factor")

    client.post(path)
    client.post(page, {"digits": "abcdef"})
    TOTPDevice.objects.update(throttling_failure_count=0)
    client.post(page, {"digits": f"{totp.token():06d}"})
    Client().post(path)

    assert [(f["event"], f["actor"], f["way"], f.get("reason")) for f in written.facts()] == [
        ("staff.first_factor", user.actor, "link", None),
        ("staff.not_signed_in", user.actor, "digits", "WrongDigits"),
        ("staff.signed_in", user.actor, "link", None),
        ("staff.not_signed_in", "", "link", "PassOver"),
    ]


def test_a_password_guessed_at_is_on_record_and_the_lock_in_the_journal_once(written):
    user = with_password()

    for number in range(limits.STAFF_FAILURES.count + 3):
        sign_in(Client(), user, "wrong", REMOTE_ADDR=f"192.0.2.{number}")

    reasons = [line["reason"] for line in written.of("staff.not_signed_in")]
    assert reasons == ["WrongPassword"] * 10 + ["TooMany"] * 3
    assert [line["actor"] for line in written.of("staff.locked")] == [user.actor]
    (entry,) = JournalEntry.objects.filter(verb="staff.locked")
    assert entry.details["user"] == user.actor


def test_a_name_that_nobody_has_fills_no_journal(client, written):
    for number in range(12):
        form = {"username": "13800000000", "password": "x"}
        client.post(reverse("identity:staff-login"), form, REMOTE_ADDR=f"192.0.2.{number}")

    assert not JournalEntry.objects.exists()
    assert "13800000000" not in written.stream.getvalue()


def test_a_session_that_is_over_is_on_record(client, written):
    user = with_password()
    sign_in(client, user)
    kept = client.session
    kept["began"] = timezone.now().timestamp() - 9 * 3600
    kept.save()

    client.get("/admin/")

    assert [line["actor"] for line in written.of("staff.session_over")] == [user.actor]


@pytest.mark.parametrize(
    ("path", "view"),
    [
        ("/secretary/{meeting}/", "console:meeting"),
        ("/secretary/{meeting}/detail.csv", "console:detail"),
        ("/admin/meetings/meeting/", "admin:meetings_meeting_changelist"),
        ("/secretary/nowhere", ""),
    ],
)
def test_what_a_secretary_may_not_have_is_on_record(client, written, path, view):
    stranger = make_secretary(make_issuer())
    client.force_login(stranger)

    answer = client.get(path.format(meeting=make_meeting().pk))

    assert [(f["event"], f["actor"], f["view"], f["status"]) for f in written.facts()] == [
        ("access.refused", stranger.actor, view, answer.status_code)
    ]


def test_what_an_auditor_may_not_do_is_on_record(client, written):
    auditor = make_operator(roles=["AUDITOR"])
    client.force_login(auditor)
    meeting = make_meeting(state="DRAFT")

    answers = [
        client.post(f"/admin/meetings/meeting/{meeting.pk}/step/freeze/").status_code,
        client.get("/admin/meetings/meeting/add/").status_code,
        client.get("/admin/meetings/meeting/").status_code,
    ]

    assert [(line["method"], line["status"]) for line in written.of("access.refused")] == [
        ("POST", answers[0]),
        ("GET", answers[1]),
    ]
    assert answers[2] == 200


def test_a_stranger_without_an_account_writes_nothing(client, written):
    for path in ("/admin/", "/secretary/1/", "/staff/nowhere", "/nowhere"):
        client.get(path)

    assert written.lines() == []


# --- The schema --------------------------------------------------------------------------------


def test_every_line_has_the_schema_and_nothing_personal(client, holder, written, handset):
    page = begun(client, holder)
    client.post(page, {"code": handset.code()})
    sign_in(Client(), with_password())
    for _try in range(11):
        sign_in(Client(), make_operator(), "wrong")
    client.get(urlsplit(canaries.canary_url(holder.meeting_id, 1)).path)

    lines = written.lines()

    assert {line["event"] for line in lines} <= set(Note)
    assert len({line["event"] for line in lines}) >= 6
    assert not [line for line in lines if not line.keys() >= SCHEMA]
    assert not [line for line in lines if line.keys() - SCHEMA - FACTS]
    assert {line["address"] for line in lines} == {"127.0.0.0/24"}
    text = written.stream.getvalue()
    assert not [s for s in ("张小三", "15400000001", str(holder.pk), PASSWORD) if s in text]


def test_the_record_is_written_whatever_the_level_of_the_log():
    assert settings.LOGGING["loggers"]["security"]["level"] == "INFO"
    assert logging.getLogger("security").isEnabledFor(logging.INFO)


def test_a_holders_pseudonym_is_steady_and_says_nothing(holder):
    assert holder_actor(holder.pk) == holder_actor(holder.pk)
    assert holder_actor(holder.pk) != holder_actor(holder.pk + 1)
    assert str(holder.pk) not in holder_actor(holder.pk)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_an_address_keeps_its_network_only(address, network):
    assert network_of(address) == network


def test_a_link_made_on_the_server_is_in_the_journal():
    call_command("staff_login", "first", "--create", "system", stdout=io.StringIO())

    assert JournalEntry.objects.filter(verb="user.enrolled").exists()
