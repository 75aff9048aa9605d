"""A browser without a screen: follows redirects, keeps cookies, fills in forms, runs no script."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar

TIMEOUT_SECONDS = 20


@dataclass
class Form:
    """A form of a page: its address, its hidden fields, its named buttons and radio groups."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    radios: set[str] = field(default_factory=set)
    numbers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    url: str
    status: int
    text: str
    forms: tuple[Form, ...]

    def form(self, part_of_action: str) -> Form:
        """The first form that posts to an address with this in it."""
        for form in self.forms:
            if part_of_action in form.action:
                return form
        raise LookupError(f"no form for {part_of_action} on {self.url}")


class Browser:
    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def get(self, url: str) -> Page:
        return self._open(urllib.request.Request(url))  # noqa: S310 - our own loopback server

    def submit(self, page: Page, form: Form, **values: str | int) -> Page:
        """Send a form with its hidden fields and these values."""
        body = urllib.parse.urlencode({**form.fields, **values}).encode()
        url = urllib.parse.urljoin(page.url, form.action)
        return self._open(urllib.request.Request(url, data=body))  # noqa: S310 - as above

    def download(self, url: str) -> bytes:
        with self._opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
        return content

    def _open(self, request: urllib.request.Request) -> Page:
        try:
            response = self._opener.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as answer:
            response = answer
        with response:
            text = response.read().decode()
            url, status = response.url, response.status
        parser = _Forms(url)
        parser.feed(text)
        return Page(url, status, text, tuple(parser.forms))


class _Forms(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action") or self.url, given.get("method", "get")))
        elif tag == "input" and self.forms and "name" in given:
            form = self.forms[-1]
            kind = given.get("type", "text")
            if kind == "radio":
                form.radios.add(given["name"])
            elif kind == "hidden":
                form.fields[given["name"]] = given.get("value", "")
            else:
                form.numbers.append(given["name"])
