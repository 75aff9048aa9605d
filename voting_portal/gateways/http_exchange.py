"""One HTTP exchange with a carrier, told so that "certainly not sent" is never a guess.

NotSent: no connection came about, so no byte of the request left. NoAnswer: it may have arrived.
A connection serves one exchange, or the exchanges of one batch: one that was kept longer may have
been closed by the carrier meanwhile, and then nobody could say whether a request had arrived.
Redirects are not followed: a carrier that moves is for a person to look at.
"""

from __future__ import annotations

import functools
import http.client
import select
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from voting_portal.common.logs import without_personal_data
from voting_portal.gateways.protocol import Message, Outcome, Result

TIMEOUT_SECONDS = 5.0
MOST_ANSWER_BYTES = 1_000_000
REASON_CHARACTERS = 40
LONGEST_REST_SECONDS = 300.0
UNANSWERED_IN_A_BATCH = 3  # then the rest of the batch is not even tried


class NotSent(Exception):
    """Nothing left; the message names the error."""


class NoAnswer(Exception):
    """The request may have arrived, but nothing that can be read came back."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """What is certain of one request, before it is said of each of its messages."""

    outcome: Outcome
    reason: str = ""
    gateway_ref: str = ""
    retry_after: float = 0.0  # seconds, when throttled
    refs: tuple[str, ...] = ()  # see Result

    def on(self, message: Message) -> Result:
        return Result(
            message.ref, self.outcome, self.gateway_ref, self.reason, self.retry_after, self.refs
        )


class Endpoint:
    """A carrier's address: `https://host[:port][/path]`; `ca_file` where its root is its own."""

    def __init__(self, url: str, *, ca_file: str = "") -> None:
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http(s) address")
        self.path = parts.path
        self.host = parts.netloc.rpartition("@")[2]
        self._is_tls = parts.scheme == "https"
        self._address = (parts.hostname, parts.port)
        self._ca_file = ca_file

    def exchange(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask `target`, which begins behind the address's own path, on a connection of its own."""
        with Line(self) as line:
            return line.exchange(method, target, body, headers)

    def new_connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            context = _tls_context(self._ca_file)
            return http.client.HTTPSConnection(
                *self._address, timeout=TIMEOUT_SECONDS, context=context
            )
        return http.client.HTTPConnection(*self._address, timeout=TIMEOUT_SECONDS)


class Line:
    """A connection for the exchanges of one batch, one after another."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._hang_up()

    def exchange(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The carrier's answer within TIMEOUT_SECONDS; raises NotSent or NoAnswer."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        connection = self._connect()
        try:
            _give_time(connection, deadline)
            connection.request(method, self._endpoint.path + target, body, dict(headers or {}))
            response = connection.getresponse()
            answer = _read(connection, response, deadline)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            raise NoAnswer(type(error).__name__) from None
        if response.will_close:
            self._hang_up()
        return Answer(response.status, response.headers, answer)  # type: ignore[arg-type]

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is not None and _was_closed(self._connection):
            self._hang_up()
        if self._connection is None:
            connection = self._endpoint.new_connection()
            try:
                connection.connect()
            except OSError as error:
                connection.close()
                raise NotSent(type(error).__name__) from None
            self._connection = connection
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def attempt(ask: Callable[[], Answer]) -> Answer | Verdict:
    """The answer, or what is certain without one: a failing server's word is none."""
    try:
        answer = ask()
    except NotSent as error:
        return Verdict(Outcome.NOT_SENT, str(error))
    except NoAnswer as error:
        return Verdict(Outcome.UNKNOWN, str(error))
    return Verdict(Outcome.UNKNOWN, f"HTTP {answer.status}") if answer.status >= 500 else answer


def judge(answer: Answer) -> Verdict | None:
    """What the status alone makes certain; None for 200 to 204, whose body tells."""
    status = f"HTTP {answer.status}"
    if answer.status == 429:
        return Verdict(Outcome.THROTTLED, status, retry_after=retry_after(answer))
    if 300 <= answer.status < 500:
        return Verdict(Outcome.MISCONFIGURED, status)
    if answer.status not in range(200, 205):
        return Verdict(Outcome.UNKNOWN, status)
    return None


def retry_after(answer: Answer) -> float:
    """Seconds that the carrier asks for, a second when it does not say."""
    wait = answer.headers.get("Retry-After", "")
    return min(float(wait), LONGEST_REST_SECONDS) if wait.isascii() and wait.isdigit() else 1.0


def reason(code: object) -> str:
    """A carrier's code, of which a number that it may quote is taken out."""
    return without_personal_data(str(code))[:REASON_CHARACTERS] if code else ""


def send_each(
    endpoint: Endpoint,
    messages: Sequence[Message],
    send_one: Callable[[Line, Message], Verdict],
    *,
    lines: int,
) -> list[Result]:
    """Send messages that go one a request, over so many connections at a time.

    When the carrier throttles, refuses our account, cannot be reached or leaves several requests
    without an answer, the messages behind are not tried: of them it is certain.
    """
    stop: list[Verdict] = []
    unanswered: list[Verdict] = []
    kept = threading.local()
    opened: list[Line] = []

    def send(message: Message) -> Result:
        if stop:
            return stop[0].on(message)
        if not hasattr(kept, "line"):
            kept.line = Line(endpoint)
            opened.append(kept.line)
        verdict = send_one(kept.line, message)
        if verdict.outcome is Outcome.UNKNOWN:
            unanswered.append(verdict)
            if len(unanswered) >= UNANSWERED_IN_A_BATCH:
                stop.append(Verdict(Outcome.NOT_SENT, verdict.reason))
        elif verdict.outcome not in (Outcome.ACCEPTED, Outcome.REJECTED):
            stop.append(Verdict(verdict.outcome, verdict.reason, retry_after=verdict.retry_after))
        return verdict.on(message)

    try:
        with ThreadPoolExecutor(max(1, min(lines, len(messages)))) as pool:
            return list(pool.map(send, messages))
    finally:
        for line in opened:
            line.__exit__()


def _give_time(connection: http.client.HTTPConnection, deadline: float) -> None:
    connection.sock.settimeout(max(0.05, deadline - time.monotonic()))


def _read(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline: float
) -> bytes:
    """The whole body; OSError or HTTPException when it is torn, too long or too slow."""
    body = bytearray()
    while True:
        if connection.sock is not None:  # None once the carrier has announced its end
            _give_time(connection, deadline)
        chunk = response.read1(65_536)
        if not chunk:
            break
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            raise http.client.HTTPException("too long an answer")
        if time.monotonic() > deadline:
            raise TimeoutError
    response.close()  # it does not notice by itself that all of a known length was read
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _was_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the carrier has hung up: between exchanges nothing but its end can be read."""
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))


@functools.cache
def _tls_context(ca_file: str) -> ssl.SSLContext:
    """One a process: reading the roots takes longer than many an exchange."""
    return ssl.create_default_context(cafile=ca_file or None)
