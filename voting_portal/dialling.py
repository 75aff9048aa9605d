"""A dial test (拨测): one holder of a rehearsal votes from outside, and every step is timed.

It knows the portal only by its pages, as a phone does: no database, no settings. The link of a
meeting that is no rehearsal is refused before anything is pressed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit

from voting_portal.demo.browser import Browser, Page

REHEARSAL = 'class="rehearsal"'
CONFIRMED = 'class="confirmation-code"'
CODE_WORD = "验证码"
ASK_AGAIN_AFTER = 0.2  # seconds between two looks at the handset


class StepFailed(Exception):
    """A step did not lead where it should; the message says which, and what came instead."""


@dataclass(frozen=True)
class Step:
    name: str
    seconds: float
    status: int = 0  # of HTTP; 0 where nothing was asked


@dataclass
class Dial:
    """What one walk found. `fault` is empty when the vote was confirmed."""

    host: str
    steps: list[Step] = field(default_factory=list)
    fault: str = ""
    has_cast: bool = False

    @property
    def seconds(self) -> float:
        """What the portal took; the way of the code to the phone is the carrier's."""
        return sum(step.seconds for step in self.steps if step.status)

    def report(self) -> dict[str, object]:
        """The same for programs; of the link only its host."""
        return {
            "host": self.host,
            "ok": not self.fault,
            "fault": self.fault,
            "cast": self.has_cast,
            "seconds": round(self.seconds, 3),
            "steps": [
                {"step": step.name, "seconds": round(step.seconds, 3), "status": step.status}
                for step in self.steps
            ],
        }

    @contextmanager
    def timed(self, name: str) -> Iterator[list[Page]]:
        """Time a step; its last page is put in the list that it yields."""
        pages: list[Page] = []
        started = time.perf_counter()
        try:
            yield pages
        except (OSError, HTTPException) as error:
            raise StepFailed(f"{name}: no answer ({type(error).__name__})") from None
        except LookupError:
            raise StepFailed(f"{name}: the page has not the form that it should have") from None
        finally:
            status = pages[-1].status if pages else 0
            self.steps.append(Step(name, time.perf_counter() - started, status))


def dial(link: str, *, read_code: Callable[[], str]) -> Dial:
    """Walk from the link to the confirmation; `read_code` waits for the code that was sent.

    A holder who has voted before is shown the confirmation after the code: nothing is cast. What
    fails ends the walk and stands in `fault`.
    """
    found = Dial(urlsplit(link).netloc)
    try:
        _walk(found, link, read_code)
    except StepFailed as failure:
        found.fault = str(failure)
    return found


def _walk(found: Dial, link: str, read_code: Callable[[], str]) -> None:
    browser = Browser()
    with found.timed("link") as pages:
        landing = browser.get(link)
        pages.append(landing)
        _expect(landing.status == 200, "link", landing)
        if REHEARSAL not in landing.text:
            raise StepFailed("link: this meeting is no rehearsal; nothing was pressed")
    with found.timed("begin") as pages:
        asking = browser.submit(landing, landing.form("/v/"))
        pages.append(asking)
        _expect(asking.status == 200 and "/code" in asking.url, "begin", asking)
    with found.timed("code arrives"):
        code = read_code()
    with found.timed("code") as pages:
        ballot = browser.submit(asking, asking.form("/code"), code=code)
        pages.append(ballot)
        _expect(ballot.status == 200 and "/code" not in ballot.url, "code", ballot)
    if CONFIRMED in ballot.text:
        return
    with found.timed("review") as pages:
        form = ballot.form("/review")
        choices = dict.fromkeys(form.radios, "FOR") | dict.fromkeys(form.numbers, "")
        review = browser.submit(ballot, form, **choices)
        pages.append(review)
        _expect(review.status == 200, "review", review)
    with found.timed("cast") as pages:
        confirmation = browser.submit(review, review.form("/cast"))
        pages.append(confirmation)
        _expect(CONFIRMED in confirmation.text, "cast", confirmation)
        found.has_cast = True
    with found.timed("confirmation") as pages:
        again = browser.get(confirmation.url)
        pages.append(again)
        _expect(CONFIRMED in again.text, "confirmation", again)


def _expect(is_so: bool, step: str, page: Page) -> None:
    if not is_so:
        raise StepFailed(f"{step}: HTTP {page.status} and not the page that should follow")


def handset_reader(handset: str, *, phone: str, within: float) -> Callable[[], str]:
    """Reads the newest code from a gateway simulator's handset; made before the code is asked for.

    The reader raises StepFailed when none has come in `within` seconds.
    """
    url = f"{handset.rstrip('/')}/messages.json?{urlencode({'to': phone})}"

    def texts() -> list[str]:
        messages = json.loads(Browser().download(url))
        return [message["text"] for message in messages if CODE_WORD in message["text"]]

    before = len(texts())

    def read() -> str:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if len(arrived := texts()) > before:
                return arrived[0].partition(CODE_WORD)[2][:6]
            time.sleep(ASK_AGAIN_AFTER)
        raise StepFailed(f"code arrives: no code in {within:g} seconds")

    return read
