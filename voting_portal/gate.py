"""The gate (门口): a link that this portal did not sign is turned away before Django sees it.

Whoever guesses links gets one answer, which does not depend on the link. The first time Django
gives it; the gate keeps it and gives it again, to the byte, with a request id of its own. So
a flood of guesses costs a fifth of what Django would spend on it. Everything else is Django's:
genuine links, and those that cannot be judged without asking the database.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.utils.translation import get_language_from_request

from identity.links import read_link
from identity.views import status_of_bad_link
from meetings import live
from voting_portal.common.counters import REQUESTS

PATH, VIEW = "/v/", "ballots:link"
METHODS = {"GET", "HEAD", "POST"}
REQUEST_ID = "X-Request-Id"
MOST_KEPT = 100  # hosts, schemes, languages, sizes of type; Django answers whoever makes up more

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Key = tuple[str, str, str, str]
Answer = tuple[str, Headers, bytes]


class Gate:
    """A WSGI application in front of Django's."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.answers: dict[Key, dict[int, Answer]] = {}

    def __call__(self, asked: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not is_bad_link(asked):
            return self.application(asked, start_response)
        request = HttpRequest()
        request.META = asked
        if "HTTP_COOKIE" in asked:
            request.COOKIES = parse_cookie(asked["HTTP_COOKIE"])
        key = _key(request)
        answers = self.answers.get(key)
        if answers is None:
            return self._ask_django(asked, start_response, key)
        status = status_of_bad_link(request)
        if status not in answers:  # the first 429; Django counts it again, which changes nothing
            return self._ask_django(asked, start_response, key)
        REQUESTS.labels(VIEW, status).inc()
        line, headers, body = answers[status]
        new_id = secrets.token_hex(6)
        own = [(name, new_id if name == REQUEST_ID else value) for name, value in headers]
        start_response(line, own)
        return [body]

    def _ask_django(
        self, asked: Environ, start_response: Callable[..., Any], key: Key
    ) -> Iterable[bytes]:
        """Pass the request on, and keep the answer if it is the one for bad links."""
        begun: list[tuple[str, Headers]] = []

        def start(line: str, headers: Headers, *more: Any) -> Any:
            begun.append((line, headers))
            return start_response(line, headers, *more)

        answer = self.application(asked, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        line, headers = begun[-1]
        if _may_be_kept(line, dict(headers), body) and (
            key in self.answers or len(self.answers) < MOST_KEPT
        ):
            self.answers.setdefault(key, {})[int(line.split()[0])] = line, headers, body
        return [body]


def _may_be_kept(line: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether it is the answer for every bad link, and nothing in it belongs to one request."""
    own_id = headers.get(REQUEST_ID, "")
    return (
        line.split(maxsplit=1)[0] in {"404", "429"}
        and "Set-Cookie" not in headers
        and own_id != ""
        and own_id.encode() not in body
    )


def is_bad_link(asked: Environ) -> bool:
    """Whether this asks for a link that nobody was sent, as far as no question is needed."""
    path = asked["PATH_INFO"]
    if not path.startswith(PATH) or asked["REQUEST_METHOD"] not in METHODS:
        return False
    code = path[len(PATH) :]
    if not code or "\n" in code:  # addresses of another view, or of none
        return False
    try:
        return read_link(code, meeting_of=live.known_meeting) is None
    except live.Stale:
        return False


def _key(request: HttpRequest) -> Key:
    """What the answer depends on besides its status."""
    meta = request.META
    scheme = f"{meta.get('wsgi.url_scheme')} {meta.get('HTTP_X_FORWARDED_PROTO') == 'https'}"
    host = meta.get("HTTP_HOST") or f"{meta.get('SERVER_NAME')}:{meta.get('SERVER_PORT')}"
    size = request.COOKIES.get(settings.TYPE_COOKIE_NAME, "")
    return scheme, host, get_language_from_request(request), "large" if size == "large" else ""
