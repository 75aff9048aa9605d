"""A walk over every page that a holder can see, for tests that look at each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from ballots.opening import ask_for_tally, open_tally
from identity.links import personal_url
from meetings import lifecycle, live
from meetings.models import Holder, Meeting
from tests.handset import Handset

PUBLIC = ("/help", "/privacy", "/start", "/enter", "/nowhere", "/v/1abcd2efgh3ijkl4mnop5qrst")


def every_page(page: Page, base: str, holder: Holder, handset: Handset) -> Iterator[str]:
    """Lead the page from one to the next and say which one it is on; the meeting ends published."""
    link, meeting = personal_url(holder.pk, 0), holder.meeting_id
    for path in PUBLIC:
        page.goto(base + path)
        yield path
    page.goto(link)
    yield "landing"
    page.locator("main form button.primary").first.click()
    expect(page).to_have_url(re.compile(r"/code$"))
    yield "code"
    page.locator("#code").fill("1")
    page.locator("main button.primary").click()
    yield "code refused"
    page.locator("#code").fill(handset.code())
    page.locator("main button.primary").click()
    expect(page).to_have_url(re.compile(r"/ballot$"))
    yield "ballot"
    page.locator(".bar button.primary").click()
    yield "ballot with faults"
    page.locator("button[name=fill][value=FOR]").click()
    page.locator(".bar button.primary").click()
    yield "review"
    page.locator("main button.primary").last.click()
    expect(page).to_have_url(re.compile(r"/confirmation$"))
    yield "confirmation"
    for name in ("ballots:promise", "notifications:messages", "ballots:log"):
        page.goto(base + reverse(name, args=[meeting]))
        yield name
    page.goto(link)
    yield "voted"
    now = timezone.now()
    stages = {
        "before": {"polls_open_at": now + timedelta(days=1)},
        "postponed": {"state": "POSTPONED"},
        "cancelled": {"state": "CANCELLED"},
    }
    hours = Meeting.objects.filter(pk=meeting).values("polls_open_at", "polls_close_at", "state")[0]
    for name, changes in stages.items():
        Meeting.objects.filter(pk=meeting).update(
            **{**hours, "polls_close_at": now + timedelta(days=2), **changes}
        )
        live.forget()
        page.goto(link)
        yield name
    Meeting.objects.filter(pk=meeting).update(**hours)
    lifecycle.close_rehearsal_early(meeting, by="operator:1")
    live.forget()
    page.goto(link)
    yield "closed"
    ask_for_tally(meeting, by="operator:1", now=now)
    open_tally(meeting, by="operator:2", now=now)
    # A rehearsal is never published; this one stands for a meeting that was none.
    Meeting.objects.filter(pk=meeting).update(state="PUBLISHED", is_rehearsal=False)
    live.forget()
    page.goto(link)
    yield "published"
    page.goto(base + reverse("ballots:result", args=[meeting]))
    yield "result"
