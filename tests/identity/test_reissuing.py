"""Links that must end: one holder's by a generation, a whole meeting's by a key."""

from __future__ import annotations

import sys
import time
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity import reissuing
from identity.links import personal_url, sign_link
from identity.vote_codes import holder_of_code, personal_code
from meetings import keys, live
from meetings.models import JournalEntry, Meeting, MeetingKey
from tests.factories import make_holder, make_meeting, make_operator
from tests.handset import handset

__all__ = ["handset"]
pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def holder(handset):
    return make_holder(make_meeting())


def opens(url: str) -> bool:
    return Client().get(urlsplit(url).path).status_code == 200


def reissue(holder):
    return reissuing.reissue_link(holder.meeting_id, account="A000000001", by="operator:1", now=NOW)


def test_a_reissued_link_ends_the_one_before(holder):
    old = personal_url(holder.pk, 0)

    again = reissue(holder)

    assert not opens(old)
    assert opens(personal_url(holder.pk, again.link_generation))
    assert JournalEntry.objects.get(verb="link.reissued").details == {"holder": 1}


def test_open_pages_of_the_old_link_end_with_it(holder, handset, client):
    client.post(urlsplit(personal_url(holder.pk, 0)).path)
    code_page = reverse("identity:code", args=[holder.meeting_id])
    client.post(code_page, {"code": handset.code()})
    ballot = reverse("ballots:ballot", args=[holder.meeting_id])
    before = client.get(ballot).status_code

    reissue(holder)

    assert before == 200
    assert client.get(ballot).headers["Location"] == reverse("identity:start")


def test_a_link_is_reissued_three_times_at_most(holder):
    for _time in range(3):
        reissue(holder)

    with pytest.raises(reissuing.ReissuedTooOften):
        reissue(holder)

    holder.refresh_from_db()
    assert holder.link_generation == 3


def test_an_account_of_nobody_ends_nothing(holder):
    with pytest.raises(reissuing.NoSuchHolder):
        reissuing.reissue_link(holder.meeting_id, account="A999999999", by="operator:1", now=NOW)

    assert opens(personal_url(holder.pk, 0))


def test_renewed_links_hold_beside_the_old_ones_until_a_second_person_ends_those(holder):
    old, old_code = personal_url(holder.pk, 0), personal_code(holder.pk, 0)
    issuer_code = Meeting.objects.get().issuer.security_code

    assert reissuing.renew_links(holder.meeting_id, by="operator:1", now=NOW) == 2
    new, new_code = personal_url(holder.pk, 0), personal_code(holder.pk, 0)

    assert old != new
    assert opens(old)
    assert opens(new)
    assert holder_of_code(issuer_code, old_code)
    with pytest.raises(reissuing.SamePerson):
        reissuing.end_old_links(holder.meeting_id, by="operator:1", now=NOW)
    assert opens(old)

    assert reissuing.end_old_links(holder.meeting_id, by="operator:2", now=NOW) == 1

    assert not opens(old)
    assert opens(new)
    assert holder_of_code(issuer_code, old_code) is None
    assert holder_of_code(issuer_code, new_code)
    verbs = JournalEntry.objects.filter(verb__startswith="links").order_by("id")
    assert list(verbs.values_list("verb", "actor")) == [
        ("links.renewed", "operator:1"),
        ("links.ended", "operator:2"),
    ]


def test_a_second_after_links_were_renewed_every_process_knows_the_new_ones(holder, monkeypatch):
    opens(personal_url(holder.pk, 0))
    known_elsewhere = live._Known.table
    reissuing.renew_links(holder.meeting_id, by="operator:1", now=NOW)
    new = personal_url(holder.pk, 0)

    monkeypatch.setattr(live._Known, "table", known_elsewhere)
    monkeypatch.setattr(live._Known, "read_at", time.monotonic() - live.RETRY_SECONDS - 0.1)

    assert opens(new)


def test_nothing_is_ended_before_there_is_a_new_key(holder):
    with pytest.raises(reissuing.NothingOld):
        reissuing.end_old_links(holder.meeting_id, by="operator:2", now=NOW)

    assert opens(personal_url(holder.pk, 0))


def test_a_link_of_a_key_id_that_never_was_is_nobodys(holder):
    key_id, key = keys.link_key(holder.meeting_id)
    live.forget()

    assert opens(f"/v/{sign_link(key, holder.pk, 0, key_id=key_id)}")
    for other in (2, 63):
        assert not opens(f"/v/{sign_link(key, holder.pk, 0, key_id=other)}")


def test_the_command_renews_and_ends(holder):
    out = StringIO()
    call_command("renew_links", holder.meeting_id, by="operator:1", stdout=out)
    with pytest.raises(CommandError, match="另一位"):
        call_command("renew_links", holder.meeting_id, by="operator:1", end_old=True)
    call_command("renew_links", holder.meeting_id, by="operator:2", end_old=True, stdout=out)

    assert "key 2" in out.getvalue()
    assert "Destroyed 1" in out.getvalue()
    assert MeetingKey.objects.get(purpose="LINKS", wrapped__isnull=False).key_id == 2


def test_the_command_ends_one_holders_links_and_no_account_stands_on_its_line(holder, monkeypatch):
    old, said = personal_url(holder.pk, 0), StringIO()
    monkeypatch.setattr(sys, "stdin", StringIO("A000000001\n"))

    call_command("reissue_link", holder.meeting_id, by="operator:1", stdout=said)

    assert not opens(old)
    assert opens(personal_url(holder.pk, 1))
    assert said.getvalue() == "The links of 张*三 are ended.\n"


@pytest.mark.parametrize(("account", "beyond"), [("A999999999", 0), ("A000000001", 1)])
def test_the_command_refuses_an_account_or_a_meeting_that_is_not_there(
    holder, monkeypatch, account, beyond
):
    monkeypatch.setattr(sys, "stdin", StringIO(f"{account}\n"))

    with pytest.raises(CommandError):
        call_command("reissue_link", holder.meeting_id + beyond, by="operator:1")

    holder.refresh_from_db()
    assert holder.link_generation == 0


def test_the_page_gives_each_role_its_own(holder):
    page = reverse("admin:meeting-links", args=[holder.meeting_id])
    browsers = {}
    for role in ("OPERATOR", "SECURITY", "AUDITOR"):
        browsers[role] = Client()
        browsers[role].force_login(make_operator(roles=[role]))

    assert browsers["AUDITOR"].get(page).status_code == 404
    assert browsers["OPERATOR"].post(page, {"renew": "1"}).status_code == 404
    assert browsers["SECURITY"].post(page, {"account": "A000000001"}).status_code == 404
    assert browsers["OPERATOR"].post(page, {"account": "A000000001"}).status_code == 302
    assert browsers["OPERATOR"].post(page, {"account": "x"}).status_code == 422
    assert browsers["SECURITY"].post(page, {"renew": "1"}).status_code == 302
    assert "另一位" in browsers["SECURITY"].post(page, {"end": "1"}).text
    holder.refresh_from_db()
    assert holder.link_generation == 1
