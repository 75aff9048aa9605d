"""The carrier behind the simulated phones: answers to messages, receipts later, faults on demand.

This one speaks the dialect of http_batch.py; those in clouds.py and chatbots.py are carriers with
another way of saying the same.
"""

from __future__ import annotations

import http.client
import json
import logging
import queue
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from voting_portal.gateways import signing
from voting_portal.gateways.simulator.inbox import Arrival, Inbox

RECEIPT_TRIES, RECEIPT_PAUSE_SECONDS = 30, 2.0
PHONE = re.compile(r"\+?\d{8,15}")
GARBAGE = b"\xff\xfe\xfd no answer of anybody"
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faults:
    """What goes wrong; nothing unless it is asked for. Times are in seconds."""

    delay: float = 0.0  # before the answer
    slow: float = 0.0  # over which the answer trickles in
    drop: bool = False  # messages arrive, the connection is cut before the answer
    throttle: int = 0  # answer so many requests with "too fast"
    error: int = 0  # a status to answer with, in HTTP or the dialect, instead of taking anything
    garbage: bool = False  # messages arrive, the answer cannot be read
    receipt_delay: float = 0.3
    duplicate_receipts: bool = False
    reordered_receipts: bool = False
    no_receipts: bool = False
    keep: bool = False  # take messages and keep them, as for phones that are off

    @classmethod
    def read(cls, body: bytes) -> Faults:
        """From JSON like `{"delay": 0.2}`; ValueError or TypeError for anything else."""
        return cls(**json.loads(body))


@dataclass(frozen=True)
class Post:
    """A request as it arrived; names of headers are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    target: str = ""  # the path behind the carrier's own
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP; None instead of one cuts the connection."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    seconds: float = 0.0  # over which the body trickles


@dataclass(frozen=True)
class Fate:
    """What a receipt will say of a message; `step` is a word of the dialect."""

    ref: str
    gateway_ref: str
    phone: str
    step: str
    code: str = ""


@dataclass(frozen=True)
class ReceiptPost:
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    place: str = ""  # what the carrier adds to the address of receipts
    is_fetched: bool = False  # asked for with GET, and `place` says all


def is_reachable(phone: str) -> bool:
    """Whether the phone gets what is sent to it: 98 of 100 do, always the same ones."""
    return int(phone[-4:]) % 50 != 13


def shows_cards(phone: str) -> bool:
    """Whether the phone shows 5G messages and cards: 7 of 10 do, always the same ones."""
    return int(phone[-1]) < 7


def json_answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


class Carrier:
    """Takes messages and reports on them to `receipt_url`."""

    receipts_in_one_post = 500

    def __init__(
        self,
        inbox: Inbox,
        *,
        secret: str = "",
        receipt_url: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.inbox = inbox
        self.faults = Faults()
        self.kept: set[str] = set()  # messages that reach nobody, unless they are taken back
        self.options = {"secret": secret, **(options or {})}
        self._receipt_url = urlsplit(receipt_url)
        self._to_report: queue.SimpleQueue[tuple[float, list[Fate]] | None] = queue.SimpleQueue()
        self._changing_faults = threading.Lock()
        self._is_retired = threading.Event()
        threading.Thread(target=self._report, daemon=True).start()

    # What a dialect says; overridden by the others.

    def refuse(self, post: Post) -> Answer | None:
        """The answer to somebody who is not the portal."""
        try:
            signing.check(
                [self.options["secret"]], _titled(post.headers), post.body, now=timezone.now()
            )
        except signing.BadSignature as refusal:
            return json_answer(401, {"error": str(refusal)})
        return None

    def sends(self, post: Post) -> bool:
        """Whether the request hands over messages; faults are for those."""
        return post.target == "/messages"

    def tell(self, post: Post) -> Answer:  # noqa: ARG002
        """The answer to a request that sends nothing."""
        return Answer(404)

    def too_fast(self) -> Answer:
        return Answer(429, headers={"Retry-After": "1"})

    def take(self, post: Post) -> Answer:
        """Put messages on the handsets; one of UNREADABLE when the request is not one of ours."""
        answers, arrivals, fates = [], [], []
        for item in json.loads(post.body):
            ref, phone, text = item["id"], item["to"], item["text"]
            if not PHONE.fullmatch(phone):
                answers.append({"id": ref, "status": "rejected", "code": "BAD_NUMBER"})
                continue
            answers.append({"id": ref, "status": "accepted", "ref": f"sim-{ref}"})
            if is_reachable(phone):
                arrivals.append(Arrival(ref, phone, text))
                fates.append(Fate(ref, "", phone, "delivered"))
            else:
                fates.append(Fate(ref, "", phone, "failed", "MK:0001"))
        self.deliver(arrivals, fates)
        return json_answer(200, answers)

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        lines = [
            {"id": f.ref, "status": f.step, **({"code": f.code} if f.code else {})} for f in fates
        ]
        body = json.dumps(lines).encode()
        signed = signing.signed_headers(self.options["secret"], body, now=timezone.now())
        return [ReceiptPost(body, signed)]

    # What all carriers do.

    def answer(self, post: Post) -> Answer | None:
        """The answer to a request, with the faults that were asked for."""
        try:
            refusal = self.refuse(post)
            if refusal is None:
                return self._take(post) if self.sends(post) else self.tell(post)
        except UNREADABLE:
            return json_answer(400, {"error": "not a request of this dialect"})
        return refusal

    def _take(self, post: Post) -> Answer | None:
        time.sleep(self.faults.delay)
        if self.faults.error:
            return Answer(self.faults.error)
        if self.is_throttling():
            return self.too_fast()
        answer = self.take(post)
        if self.faults.garbage:
            return Answer(200, GARBAGE)
        return None if self.faults.drop else replace(answer, seconds=self.faults.slow)

    def deliver(self, arrivals: Sequence[Arrival], fates: Sequence[Fate]) -> None:
        """Show what arrived and report it in a moment; or keep it, when that was asked for."""
        if self.faults.keep:
            self.kept |= {fate.ref for fate in fates}
            return
        self.inbox.receive(arrivals, now=timezone.now())
        self.report(fates)

    def report(self, fates: Sequence[Fate]) -> None:
        """Post receipts of these in a moment."""
        if fates and not self.faults.no_receipts:
            self._to_report.put((time.monotonic() + self.faults.receipt_delay, list(fates)))

    def is_throttling(self) -> bool:
        with self._changing_faults:
            left = self.faults.throttle
            if left:
                self.faults = replace(self.faults, throttle=left - 1)
            return left > 0

    def post_back(self, posts: Sequence[ReceiptPost]) -> None:
        """Post until each is taken, and then for some time no more."""
        for post in posts:
            self._post_until_taken(post)

    def retire(self) -> None:
        """Report what is waiting, each once, and no more."""
        self._is_retired.set()
        self._to_report.put(None)

    def _report(self) -> None:
        """Post receipts until it retires, in batches, each a moment after its messages."""
        while (first := self._to_report.get()) is not None:
            due, fates = first
            time.sleep(max(0.0, due - time.monotonic()))
            while len(fates) < self.receipts_in_one_post and not self._to_report.empty():
                following = self._to_report.get()
                if following is None:
                    self.retire()
                    break
                fates = fates + following[1]
            if self.faults.reordered_receipts:
                fates = fates[::-1]
            most = self.receipts_in_one_post
            for at in range(0, len(fates), most):
                posts = self.write_receipts(fates[at : at + most])
                self.post_back(posts * 2 if self.faults.duplicate_receipts else posts)

    def _post_until_taken(self, post: ReceiptPost) -> None:
        status: int | str = ""
        for _ in range(RECEIPT_TRIES):
            status = self._post(post)
            if status in (200, 204):
                return
            if self._is_retired.wait(RECEIPT_PAUSE_SECONDS):
                return
        logger.warning("a receipt was given up after %s tries: %s", RECEIPT_TRIES, status)

    def _post(self, post: ReceiptPost) -> int | str:
        url = self._receipt_url
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
        headers = {"Content-Type": "application/json", **post.headers}
        try:
            method = "GET" if post.is_fetched else "POST"
            connection.request(method, url.path + post.place, post.body or None, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    """Names of headers as signing.py writes them."""
    return {name.title(): value for name, value in headers.items()}
