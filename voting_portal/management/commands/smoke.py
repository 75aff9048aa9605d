"""`./manage.py smoke`: the whole road over HTTP without a person; exit 0 or the reason.

It uses an empty database and ports of its own, so a demo may run beside it.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity.staff import issue_pass
from meetings import lifecycle
from meetings.models import Holder, Meeting
from notifications.tasks import ring
from voting_portal.demo import data
from voting_portal.demo.browser import Browser, Page
from voting_portal.demo.processes import CannotStart, Processes

HOLDERS = 5_000
SENT_WITHIN_SECONDS = 30


class Command(BaseCommand):
    help = "Play a small meeting from the register file to the downloaded tally, unattended."
    requires_system_checks: list[str] = []

    def handle(self, **_options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The smoke test is for development.")
        watch = data.Stopwatch(self.stdout.write)
        call_command("migrate", verbosity=0)
        issuer = data.make_issuer()
        people = data.make_people(issuer)
        meeting = data.make_meeting(issuer, people)
        directory = Path(settings.BASE_DIR) / ".data" / "smoke"
        register = data.load_holders(meeting, people, holders=HOLDERS, directory=directory)
        _expect(register.holders > 0, "the register has holders")
        data.invite_holders(meeting, people)
        watch.lap(f"{register.rows_read:,} rows = {register.rows_loaded:,} loaded; notices planned")
        try:
            with Processes(directory / "logs"):
                ring.delay()  # the timer would do it, a little later
                watch.lap("Web server, worker and gateway simulator started")
                self._walk(meeting, people, watch)
        except CannotStart as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write("Smoke test passed.")

    def _walk(self, meeting: Meeting, people: data.People, watch: data.Stopwatch) -> None:
        first, recused = data.players(meeting)
        link = _link_sent_to(first)
        watch.lap("The notice reached the handset")

        wrong = Browser().get(link[:-1] + ("a" if link[-1] != "a" else "b"))
        _expect(wrong.status == 404, "a wrong link is not found")
        _expect(settings.HOTLINE in wrong.text, "the page for a wrong link names the hotline")

        browser = Browser()
        review = _fill_in(browser, link, first)
        done = browser.submit(review, review.form("/cast"))
        _expect("/confirmation" in done.url, "a confirmed ballot leads to its confirmation")
        again = browser.submit(review, review.form("/cast"))
        _expect(_code(done) == _code(again), "a second submit shows the same confirmation")
        _expect(_code(done) in _squeezed(Browser().get(link)), "the link shows the confirmation")
        watch.lap("Voted, submitted twice, one ballot")

        late = Browser()
        late_review = _fill_in(late, _link_sent_to(recused), recused)
        lifecycle.close_rehearsal_early(meeting.pk, by=people.operator.actor)
        refused = late.submit(late_review, late_review.form("/cast"))
        _expect("/confirmation" not in refused.url, "a vote after the close is refused")
        watch.lap("Closed; the late vote was refused")

        self._check_the_log(meeting, _code(done))
        watch.lap("The ballot log is closed and has the ballot")

        self._take_the_tally(meeting, people, first)
        watch.lap("Tally counted, shown to the secretary and downloaded")

    def _check_the_log(self, meeting: Meeting, code: str) -> None:
        address = f"{settings.PUBLIC_URL}/m/{meeting.pk}/log"
        deadline = time.monotonic() + SENT_WITHIN_SECONDS
        while "/log/checkpoint" not in (page := Browser().get(address)).text:
            _expect(time.monotonic() < deadline, "the sequencer logs the close")
            time.sleep(0.2)
        browser = Browser()
        page = browser.get(address)
        found = browser.submit(page, page.form("/log"), code=code)
        _expect("已在日志中" in found.text, "the public page finds the confirmation code")

    def _take_the_tally(self, meeting: Meeting, people: data.People, voter: Holder) -> None:
        secretary = _signed_in(people.secretary)
        page = f"{settings.PUBLIC_URL}/secretary/{meeting.pk}/"
        _expect("result.csv" not in secretary.get(page).text, "no result before the tally")
        for person, step in ((people.operator, "ask-tally"), (people.checker, "open-tally")):
            browser = _signed_in(person)
            url = f"{settings.PUBLIC_URL}/admin/meetings/meeting/{meeting.pk}/change/"
            admin = browser.get(url)
            browser.submit(admin, admin.form(f"/step/{step}/"))
        deadline = time.monotonic() + SENT_WITHIN_SECONDS
        while "result.csv" not in secretary.get(page).text:
            _expect(time.monotonic() < deadline, "the secretary sees the result")
            time.sleep(0.2)
        result = json.loads(secretary.download(f"{page}result.json"))
        votes = int(result["motions"]["1.00"]["total"]["for"])
        _expect(votes == voter.shares_of(0), "the tally has exactly the shares that voted")
        book = secretary.download(f"{page}result.xlsx")
        _expect(book.startswith(b"PK"), "the XLSX is a workbook")


def _fill_in(browser: Browser, link: str, holder: Holder) -> Page:
    """From the link to the review page: code, then 同意 for everything."""
    landing = browser.get(link)
    _expect(landing.status == 200, "the link opens")
    _expect(holder.name_masked in landing.text, "the landing page shows the masked name")
    code_page = browser.submit(landing, landing.form("/v/"))
    code = _code_sent_to(holder)
    ballot = browser.submit(code_page, code_page.form("/code"), code=code)
    _expect("/ballot" in ballot.url, "the right code opens the ballot")
    form = ballot.form("/review")
    answers = dict.fromkeys(form.radios, "FOR")
    empty = dict.fromkeys(form.numbers, "")
    review = browser.submit(ballot, form, **{**empty, **answers})
    _expect(any("/cast" in form.action for form in review.forms), "a full ballot is reviewed")
    return review


def _messages_to(holder: Holder) -> list[str]:
    url = f"{settings.SIMULATOR_URL}/messages.json?to={data.phone_of(holder)}"
    return [message["text"] for message in json.loads(Browser().download(url))]


def _link_sent_to(holder: Holder) -> str:
    return _wait_for_word(holder, f"{settings.PUBLIC_URL}/v/")


def _code_sent_to(holder: Holder) -> str:
    return _wait_for_word(holder, "验证码").removeprefix("验证码")[:6]


def _wait_for_word(holder: Holder, start: str) -> str:
    """The newest word that begins like this among the holder's messages."""
    deadline = time.monotonic() + SENT_WITHIN_SECONDS
    while time.monotonic() < deadline:
        for text in _messages_to(holder):
            if start in text:
                return start + text.partition(start)[2].split()[0]
        time.sleep(0.2)
    raise CommandError(f"No message with {start} came within {SENT_WITHIN_SECONDS} s.")


def _signed_in(user: Any) -> Browser:
    browser = Browser()
    page = browser.get(issue_pass(user, lifetime=timedelta(minutes=5), now=timezone.now()))
    browser.submit(page, page.form("/staff/"))
    return browser


def _code(page: Page) -> str:
    """The confirmation code on a page, without the blanks between its groups."""
    _start, mark, rest = page.text.partition('class="confirmation-code"')
    _expect(bool(mark), f"a confirmation code stands on {page.url}")
    return "".join(rest.partition(">")[2].partition("<")[0].split())


def _squeezed(page: Page) -> str:
    return "".join(page.text.split())


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise CommandError(f"Not so: {what}.")
