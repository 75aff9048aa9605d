"""A holder's phone: walks from the link to the confirmation over HTTP, and remembers what it saw.

It knows the portal by its pages alone. Cookies and the connection are kept as a browser keeps them,
so that a holder who lost an answer can ask again in the same session.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from drills.history import Answer, Choices, Said

TIMEOUT_SECONDS = 20.0
CODE_SECONDS = 8.0
CSRF = "d" * 32  # the double submit compares the cookie with the field
CONFIRMATION_CODE = re.compile(
    r'class="(?:confirmation-code|mono)">\s*((?:[0-9A-HJKMNP-TV-Z]{4}\s+){3}[0-9A-HJKMNP-TV-Z]{4})'
)
MARK = re.compile(r'name="mark" value="([^"]+)"')
ONE_TIME_CODE = re.compile(r"验证码(\d{6})")
TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


class NoAnswer(Exception):
    """The connection failed, nobody answered in time, or a server said that it is ill (5xx)."""


class Unexpected(Exception):
    """A page came that should not follow here; the message says which status, on which step."""

    def __init__(self, step: str, status: int) -> None:
        super().__init__(f"{step}: HTTP {status}")
        self.step, self.status = step, status


@dataclass(frozen=True)
class Person:
    """A holder as the register has it, and what this holder is going to vote."""

    holder: int
    meeting: int
    phone: str
    path: str  # of the personal link
    shares: int
    fields: Mapping[str, str]  # of the form
    choices: Choices  # as the books will have them


@dataclass(frozen=True)
class Page:
    status: int
    location: str
    text: str


@dataclass
class Phone:
    """One person's browser. `portal` is host and port of the proxy server."""

    person: Person
    portal: tuple[str, int]
    simulator: str
    drill: str = ""
    cookies: dict[str, str] = field(default_factory=lambda: {"csrf": CSRF})
    failures: list[str] = field(default_factory=list)  # every answer that was none, by step
    seconds: dict[str, float] = field(default_factory=dict)  # of each step's last request
    _client: http.client.HTTPConnection | None = None
    _mark: str = ""

    def vote(self) -> Said:
        """The whole way, from where the session stands; whatever happens is an answer."""
        began = time.time()
        try:
            if code := self.open_link():
                return self._said(Answer.ACKNOWLEDGED, began, code=code)
            self.verify()
            self.fill_in()
        except (NoAnswer, Unexpected) as failure:
            return self._said(Answer.UNSENT, began, why=str(failure))
        finally:
            self.hang_up()
        return self.cast()

    def open_link(self) -> str:
        """Look at the landing page; the confirmation code when a ballot stands already."""
        return code_on(self.expect("link", "GET", self.person.path).text)

    def verify(self) -> None:
        """Begin, read the code from the simulated handset, give it."""
        page = self.ask("begin", "POST", self.person.path, csrfmiddlewaretoken=CSRF)
        if page.status != 303:
            raise Unexpected("begin", page.status)
        if not page.location.endswith("/code"):
            return  # verified before
        self.expect("code page", "GET", page.location)
        self.give_code(page.location)

    def give_code(self, path: str) -> None:
        """Wait for the code on the simulated handset, and type it in."""
        deadline = time.monotonic() + CODE_SECONDS
        while not (code := self._newest_code()):
            if time.monotonic() > deadline:
                raise NoAnswer("code: none came")
            time.sleep(0.05)
        page = self.ask("code", "POST", path, csrfmiddlewaretoken=CSRF, code=code)
        if page.status != 303:
            raise Unexpected("code", page.status)

    def fill_in(self) -> None:
        """The ballot and its review."""
        if self.open_ballot():
            self.review()

    def open_ballot(self) -> bool:
        """The empty paper; False when the confirmation is shown in its place."""
        text = self.expect("ballot", "GET", f"/m/{self.person.meeting}/ballot").text
        if code_on(text):
            return False
        found = MARK.search(text)
        if found is None:
            raise Unexpected("ballot", 200)
        self._mark = found[1]
        return True

    def review(self) -> None:
        """The paper filled in, and the page that shows it once more."""
        page = self.ask("review", "POST", f"/m/{self.person.meeting}/review", **self._form())
        if page.status == 303:
            page = self.expect("review page", "GET", page.location)
        if page.status != 200:
            raise Unexpected("review", page.status)

    def cast(self) -> Said:
        """Press 确认投票 and read the confirmation."""
        sent_at, told = time.time(), False
        try:
            page = self.press_cast()
            if page.status in (409, 422, 403):
                return self._said(Answer.REFUSED, sent_at, why=f"HTTP {page.status}")
            told = page.status == 303 and page.location.endswith("/confirmation")
            if not told:
                return self._said(Answer.UNKNOWN, sent_at, why=f"HTTP {page.status}")
            code = code_on(self.expect("confirmation", "GET", page.location).text)
        except (NoAnswer, Unexpected) as failure:
            answer = Answer.TOLD if told else Answer.UNKNOWN
            return self._said(answer, sent_at, why=str(failure))
        finally:
            self.hang_up()
        answer = Answer.ACKNOWLEDGED if code else Answer.TOLD
        return self._said(answer, sent_at, code=code)

    def press_cast(self) -> Page:
        return self.ask("cast", "POST", f"/m/{self.person.meeting}/cast", **self._form())

    def expect(self, step: str, method: str, path: str) -> Page:
        """A page of status 200, after at most two redirects."""
        page = self.ask(step, method, path)
        for _hop in range(2):
            if page.status in (302, 303):
                page = self.ask(step, "GET", page.location)
        if page.status != 200:
            raise Unexpected(step, page.status)
        return page

    def ask(self, step: str, method: str, path: str, **fields: str) -> Page:
        """One request; NoAnswer for what a holder would call "it does not work"."""
        body = urlencode(fields) if method == "POST" else None
        headers = {
            "Host": self.portal[0],
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"https://{self.portal[0]}:{self.portal[1]}"
        began = time.perf_counter()
        target = urlsplit(path)._replace(scheme="", netloc="").geturl()
        try:
            answer = self._exchange(method, target, body, headers)
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            self.failures.append(f"{step}: {type(error).__name__}")
            raise NoAnswer(self.failures[-1]) from None
        self.seconds[step] = time.perf_counter() - began
        self._keep_cookies(answer)
        if answer.status >= 500:
            self.failures.append(f"{step}: HTTP {answer.status}")
            raise NoAnswer(self.failures[-1])
        return Page(answer.status, answer.headers.get("Location", ""), text)

    def _exchange(
        self, method: str, target: str, body: str | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """Send and wait; once more where a kept connection was closed before it, as browsers do."""
        is_kept = self._client is not None
        try:
            client = self._connected()
            client.request(method, target, body, headers)
            return client.getresponse()
        except (ConnectionError, ssl.SSLError):  # of which RemoteDisconnected is one
            self.hang_up()
            if not is_kept:
                raise
        client = self._connected()
        client.request(method, target, body, headers)
        return client.getresponse()

    def hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _form(self) -> dict[str, str]:
        return {**self.person.fields, "mark": self._mark, "csrfmiddlewaretoken": CSRF}

    def _said(self, answer: Answer, sent_at: float, *, code: str = "", why: str = "") -> Said:
        person = self.person
        return Said(
            *(person.holder, person.shares, answer, person.choices, sent_at, time.time()),
            code=code,
            why=why,
            drill=self.drill,
        )

    def _connected(self) -> http.client.HTTPConnection:
        if self._client is None:
            # An address of its own for each, as phones have; the proxy server limits by address.
            number = self.person.holder & 0xFFFF
            source = (f"127.1.{number >> 8}.{max(1, number & 255)}", 0)
            self._client = http.client.HTTPSConnection(
                *self.portal, timeout=TIMEOUT_SECONDS, source_address=source, context=TRUSTING
            )
        return self._client

    def _keep_cookies(self, answer: http.client.HTTPResponse) -> None:
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value and name != "csrf":
                self.cookies[name] = value
            elif name != "csrf":
                self.cookies.pop(name, None)

    def _newest_code(self) -> str:
        """What the simulated handset shows; nothing while the carrier is away."""
        url = urlsplit(self.simulator)
        client = http.client.HTTPConnection(url.hostname or "", url.port, timeout=5)
        try:
            client.request("GET", f"/messages.json?to={self.person.phone}")
            messages = json.loads(client.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return ""
        finally:
            client.close()
        codes = (ONE_TIME_CODE.search(message["text"]) for message in messages)
        return next((code[1] for code in codes if code), "")


def code_on(text: str) -> str:
    """The confirmation code on a page, without the blanks between its groups."""
    found = CONFIRMATION_CODE.search(text)
    return "".join(found[1].split()) if found else ""
