"""A walk over the pages beside the straight road: rare, and read by somebody in doubt."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings as of_project
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from ballots.importing import import_votes
from ballots.models import Channel
from identity import turns
from identity.institutions import open_entry
from identity.links import personal_url
from meetings import lifecycle, live
from meetings.models import Holder, Meeting
from meetings.preparing import recuse
from tests.factories import make_holder
from tests.handset import Handset

ERRORS = of_project.BASE_DIR / "deploy/errors"
PROVIDER = {"kind": "hosted_check", "check": "number", "label": "本机号码核验", "secret": "secret"}


def every_rare_page(
    page: Page, base: str, meeting: Meeting, handset: Handset, settings: Any
) -> Iterator[str]:
    """Lead the page through what few holders see, and say which one it is on; it ends closed."""
    recused = make_holder(meeting, name="赵六", phone="15400000021", index=21)
    other = make_holder(meeting, name="陈七", phone="15400000015", index=15)
    first = meeting.motions.order_by("group", "item").first()
    recuse(first, account="A000000021", name="赵六", by="operator:1", now=timezone.now())
    yield from _without_a_vote(page, base, meeting)
    to_ballot(page, recused, handset)
    yield "recused"
    page.goto(base + reverse("notifications:messages", args=[meeting.pk]))
    page.locator("main button[name=messages]").click()
    yield "no more messages"
    page.locator("main button[name=messages]").click()
    yield from _nominee(page, meeting)
    settings.IDENTITY_PROVIDERS = {"check": PROVIDER | {"url": "http://127.0.0.1:9"}}
    yield from _providers(page, base, other)
    settings.IDENTITY_PROVIDERS = {}
    cookie = f"{settings.VOTER_COOKIE_PREFIX}{meeting.pk}"
    yield from _too_late(page, meeting, recused, handset, cookie)
    page.context.clear_cookies(name=cookie)
    settings.SIGN_INS_A_SECOND = 1
    for number in range(200):
        turns.turn_of(number)
    begin(page, other)
    yield "waiting"
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    vote_in_trading(meeting, other)
    live.forget()
    page.goto(personal_url(other.pk, 0))
    yield "voted elsewhere"
    for file in sorted(ERRORS.glob("*.html")):
        page.goto(file.as_uri())
        yield f"proxy server {file.stem}"


def _without_a_vote(page: Page, base: str, meeting: Meeting) -> Iterator[str]:
    phoneless = make_holder(meeting, phone="", name="李四", index=11)
    voteless = make_holder(meeting, name="王五", index=12)
    Holder.objects.filter(pk=voteless.pk).update(shares=[0])
    page.goto(f"{base}/m/{meeting.pk}")
    yield "public agenda"
    for name, holder in (("no phone", phoneless), ("no votes", voteless)):
        page.goto(personal_url(holder.pk, 0))
        yield name


def _nominee(page: Page, meeting: Meeting) -> Iterator[str]:
    make_holder(meeting, shares=5_000_000, name="某某证券", phone="", index=14, kind="N")
    page.goto(open_entry(meeting.pk, account="A000000014", by="operator:1", now=timezone.now()))
    yield "institution"
    page.locator("main button.primary").click()
    yield "nominee"
    page.locator(".bar button.primary").click()
    yield "nominee with faults"


def _providers(page: Page, base: str, holder: Holder) -> Iterator[str]:
    begin(page, holder)
    yield "code or provider"
    page.goto(base + reverse("identity:ways", args=[holder.meeting_id]))
    yield "one more proof"
    page.locator("main form button.secondary").first.click()
    yield "not proved"


def _too_late(
    page: Page, meeting: Meeting, holder: Holder, handset: Handset, cookie: str
) -> Iterator[str]:
    to_ballot(page, holder, handset)
    page.locator("button[name=fill][value=FOR]").click()
    page.context.clear_cookies(name=cookie)
    page.locator(".bar button.primary").click()
    yield "session over"
    to_ballot(page, holder, handset)
    page.locator("button[name=fill][value=FOR]").click()
    page.locator(".bar button.primary").click()
    of_meeting = Meeting.objects.filter(pk=meeting.pk)
    of_meeting.update(polls_close_at=timezone.now() - timedelta(minutes=1))
    live.forget()
    page.locator("main button.primary").last.click()
    yield "too late"
    of_meeting.update(polls_close_at=meeting.polls_close_at)
    live.forget()


def begin(page: Page, holder: Holder) -> None:
    page.goto(personal_url(holder.pk, 0))
    page.locator("main form button.primary").first.click()


def to_ballot(page: Page, holder: Holder, handset: Handset) -> None:
    begin(page, holder)
    page.locator("#code").wait_for()
    page.locator("#code").fill(handset.code(f"154000000{holder.pk % 2**28:02d}"))
    page.locator("main button.primary").click()
    page.locator("#paper").wait_for()


def vote_in_trading(meeting: Meeting, holder: Holder) -> None:
    account = f"A{holder.pk % 2**28:09d}"
    row = f"{account},1,反对,{meeting.meeting_date:%Y-%m-%d} 09:40:12.000,1\n"
    import_votes(
        meeting.pk,
        io.BytesIO(f"证券账户,议案序号,表决意见,表决时间,受理序号\n{row}".encode()),
        file_name="votes.csv",
        channel=Channel.TRADING,
        by="operator:1",
        now=timezone.now(),
    )
