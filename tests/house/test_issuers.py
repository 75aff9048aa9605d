"""Every address about a meeting, asked by who belongs to another issuer's: nothing is found.

The addresses are those that there are, filled in with objects that exist, so that a page that
forgets to ask whose they are shows itself. Who they belong to gets them by the same address.
"""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from ballots.announcement_files import FORMS
from ballots.opening import ask_for_tally, open_tally
from identity import voters
from identity.links import Link
from meetings.models import Document, Meeting
from tests.factories import make_holder, make_issuer, make_meeting, make_secretary

pytestmark = pytest.mark.django_db
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def addresses(beginning: str) -> list[str]:
    """The addresses that begin so, as patterns."""

    def walk(resolver: URLResolver, prefix: str) -> list[str]:
        found = []
        for pattern in resolver.url_patterns:
            path = prefix + str(pattern.pattern)
            found += walk(pattern, path) if isinstance(pattern, URLResolver) else [path]
        return found

    return sorted(path for path in walk(get_resolver(), "/") if path.startswith(beginning))


def counted(**fields) -> tuple[Meeting, Document]:
    """A meeting at its end, so that there is everything to see, with a paper."""
    now = timezone.now()
    meeting = make_meeting(state="CLOSED", polls_sealed_at=now, **fields)
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)
    paper = Document.objects.create(meeting=meeting, title="资料", content=b"%PDF-1.7 x", size=10)
    return meeting, paper


def filled(address: str, meeting: Meeting, paper: Document) -> str:
    values = {
        "<int:meeting>": meeting.pk,
        "<int:number>": paper.pk,
        "<str:form>": min(FORMS),
        "<slug:name>": "broker",
    }
    for name, value in values.items():
        address = address.replace(name, str(value))
    assert "<" not in address, "say in `values` what stands there"
    return address


SECRETARYS = addresses("/secretary/<int:meeting>")
HOLDERS = addresses("/m/<int:meeting>/")


@pytest.mark.parametrize("address", SECRETARYS)
def test_a_secretary_finds_nothing_of_another_issuers_meeting(address):
    issuer = make_issuer()
    path = filled(address, *counted(issuer=issuer))
    own, strange = Client(), Client()
    own.force_login(make_secretary(issuer))
    strange.force_login(make_secretary(make_issuer()))

    statuses = {strange.generic(method, path).status_code for method in METHODS}

    assert own.get(path).status_code == 200  # what is asked for is there
    assert statuses <= {404, 405}


@pytest.mark.parametrize("address", HOLDERS)
def test_a_verified_holder_is_nobody_at_another_meeting(address):
    holder = make_holder(make_meeting())
    path = filled(address, *counted())
    verified = Client()
    now = timezone.now()
    voter = voters.begin(Link(holder.pk, holder.meeting_id, 0), now=now)
    kept = HttpResponse()
    voters.keep(kept, voters.verified(voter, level=2, now=now))
    verified.cookies.update(kept.cookies)

    def answers(browser: Client) -> list[tuple[int, str]]:
        found = (browser.generic(method, path) for method in METHODS)
        return [(answer.status_code, answer.headers.get("Location", "")) for answer in found]

    assert answers(verified) == answers(Client())


def test_there_are_addresses_to_ask():
    assert len(SECRETARYS) >= 8
    assert len(HOLDERS) >= 12
