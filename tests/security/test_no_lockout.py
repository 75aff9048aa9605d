"""Nobody can lock a holder out: others' failures are theirs, whatever they know of the holder."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from identity import limits
from identity.links import personal_url
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
OUTSIDER, HOME = "198.51.100.9", "192.0.2.1"


@pytest.fixture
def holder():
    limits.forget()
    return make_holder(make_meeting())


def gets_in(holder, handset, *, address=HOME):
    browser = Client(REMOTE_ADDR=address)
    browser.post(urlsplit(personal_url(holder.pk, 0)).path)
    page = reverse("identity:code", args=[holder.meeting_id])
    answer = browser.post(page, {"code": handset.code()})
    return answer.headers.get("Location") == reverse("ballots:ballot", args=[holder.meeting_id])


def test_a_stranger_who_guesses_everything_stops_nobody_but_himself(holder, handset):
    stranger = Client(REMOTE_ADDR=OUTSIDER)
    for number in range(limits.INVALID_LINKS.count + 5):
        last = stranger.get(f"/v/{number:025d}").status_code
    for number in range(limits.VOTE_CODE_FAILURES.count + 2):
        form = {"security_code": "600001", "vote_code": f"ABCDEF{number:04d}"}
        typed = stranger.post(reverse("identity:enter"), form).status_code

    assert (last, typed) == (429, 429)
    assert gets_in(holder, handset)


def test_who_has_the_link_and_burns_the_code_burns_his_own(holder, handset):
    other = Client(REMOTE_ADDR=OUTSIDER)
    other.post(urlsplit(personal_url(holder.pk, 0)).path)
    page = reverse("identity:code", args=[holder.meeting_id])
    wrong = "000000" if handset.code() != "000000" else "111111"
    statuses = [other.post(page, {"code": wrong}).status_code for _try in range(7)]

    assert set(statuses) == {422}
    assert gets_in(holder, handset)


def test_behind_the_same_carriers_address_genuine_links_open(holder):
    guesser = Client(REMOTE_ADDR=OUTSIDER)
    for number in range(limits.INVALID_LINKS.count + 5):
        guesser.get(f"/v/{number:025d}")

    answer = Client(REMOTE_ADDR=OUTSIDER).get(urlsplit(personal_url(holder.pk, 0)).path)

    assert answer.status_code == 200
