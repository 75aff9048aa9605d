"""What is kept of a meeting's pages is what would be drawn now, whatever happened to the meeting.

The measure is a process that knows nothing, with a Redis that keeps nothing: after every change of
a meeting its pages must be the same as the ones that this process still keeps parts of.
"""

from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots.stage import stage_of
from identity.links import personal_url
from meetings import lifecycle, live
from meetings.live import LIVE_STATES
from meetings.models import Issuer, Meeting
from tests.factories import make_holder, make_meeting, make_operator
from voting_portal.common import fragments

pytestmark = pytest.mark.django_db
OWN = (
    r'页面编号 \w+|Page number \w+|name="(?:csrfmiddlewaretoken|mark)" value="\w+"'
    r"|\d+分钟|\d+ min"
)
SIGNED = {
    "confirmed_by": "operator:1",
    "invited_by": "operator:2",
    "certified_by": "operator:1",
    "published_by": "operator:2",
}


class Pages:
    """Every page of a meeting that is made of kept parts, in both languages."""

    def __init__(self, meeting, verified):
        self.meeting_id = meeting.pk
        holder = make_holder(meeting)
        self.voter = verified(holder)
        self.link = f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"

    def all(self):
        live.forget()  # five seconds later
        found = {}
        for language in ("zh-hans", "en"):
            stranger = Client()
            for browser in (stranger, self.voter):
                browser.cookies[settings.LANGUAGE_COOKIE_NAME] = language
            for path in (self.link, *map(self.url, ("agenda", "result"))):
                found[language, path] = self.said(stranger.get(path))
            found[language, "ballot"] = self.said(self.voter.get(self.url("ballot")))
        return found

    def url(self, name):
        return reverse(f"ballots:{name}", args=[self.meeting_id])

    def said(self, answer):
        return f"{answer.status_code} {re.sub(OWN, '', answer.text)}"

    def afresh(self):
        fragments.forget()
        store = redis.Redis.from_url(settings.REDIS_URL)
        for key in store.scan_iter("fragment:*"):
            store.delete(key)
        store.close()
        live._Known.table, live._Known.agendas = {}, {}
        return self.all()


def stale(pages):
    """The pages that were shown as they had been before."""
    shown, drawn = pages.all(), pages.afresh()
    return [page for page, text in drawn.items() if shown[page] != text]


def every_way(states):
    """A walk that goes once from each state to each other one."""
    pairs = {a: [b for b in states if b != a] for a in states}
    at, walk = states[0], []
    while pairs[at]:
        at = pairs[at].pop()
        walk.append(at)
    return walk


def test_every_change_of_state_is_on_the_next_page(verified):
    now = timezone.now()
    opening = now + timedelta(minutes=30)
    meeting = make_meeting(state="INVITED", polls_open_at=opening, is_rehearsal=False, **SIGNED)
    pages, seen = Pages(meeting, verified), set()
    pages.all()
    walk, at = every_way(LIVE_STATES), Meeting.State.INVITED

    found = []
    for to in walk:
        lifecycle.advance(meeting.pk, to, since=[at], by="operator:1", now=now)
        found += [(at, to, page) for page in stale(pages)]
        seen.add(stage_of(live.live_meeting(meeting.pk), at=now))
        at = to

    assert len(walk) > 40
    assert len(seen) >= 4
    assert found == []


@pytest.mark.parametrize("state", ["PUBLISHED", "POSTPONED", "CANCELLED"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "上海更名股份有限公司"), ("short_name", "更名股份"), ("security_code", "609999")],
)
def test_an_issuer_that_was_corrected_is_on_the_next_page(verified, state, field, value):
    meeting = make_meeting(state=state, is_rehearsal=False)
    pages = Pages(meeting, verified)
    before = pages.all()
    staff = Client()
    staff.force_login(make_operator())
    issuer = meeting.issuer
    said = {name: getattr(issuer, name) for name in ("security_code", "name", "short_name")}

    saved = staff.post(f"/admin/meetings/issuer/{issuer.pk}/change/", {**said, field: value})

    assert saved.status_code == 302
    assert Issuer.objects.filter(pk=issuer.pk, **{field: value}).exists()
    assert stale(pages) == []
    if field != "name":  # holders are shown the others
        assert pages.all() != before


@pytest.mark.parametrize("state", Meeting.State.values)
def test_an_issuer_is_left_as_it_is_while_a_meeting_of_it_is_under_way(state):
    meeting = make_meeting(state=state, is_rehearsal=False)
    staff = Client()
    staff.force_login(make_operator())
    issuer = meeting.issuer
    said = {"security_code": issuer.security_code, "name": "上海更名", "short_name": "更名"}

    staff.post(f"/admin/meetings/issuer/{issuer.pk}/change/", said)

    is_free = state in {"DRAFT", "REGISTER_LOADED", "PUBLISHED", "POSTPONED", "CANCELLED"}
    assert Issuer.objects.filter(pk=issuer.pk, name="上海更名").exists() == is_free


def test_a_change_that_no_revision_tells_of_would_be_found(verified):
    meeting = make_meeting()
    pages = Pages(meeting, verified)
    pages.all()

    Meeting.objects.filter(pk=meeting.pk).update(title="另一次股东会")

    assert len({page for _language, page in stale(pages)}) >= 3


def test_the_walk_takes_every_way_once():
    walk = [LIVE_STATES[0], *every_way(LIVE_STATES)]

    ways = list(itertools.pairwise(walk))

    assert len(ways) == len(set(ways)) == len(LIVE_STATES) * (len(LIVE_STATES) - 1)
