"""The carrier behind the simulated phones: answers to batches, receipts later, faults on demand."""

from __future__ import annotations

import http.client
import json
import logging
import queue
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from voting_portal.gateways import signing
from voting_portal.gateways.simulator.inbox import Inbox

RECEIPTS_IN_ONE_POST = 500
RECEIPT_TRIES = 30
PHONE = re.compile(r"\+?\d{8,15}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faults:
    """What goes wrong; nothing unless it is asked for. Times are in seconds."""

    delay: float = 0.0  # before the answer
    drop: bool = False  # messages arrive, the connection is cut before the answer
    throttle: int = 0  # answer so many batches with 429 and Retry-After: 1
    error: int = 0  # an HTTP status to answer with instead of taking anything
    receipt_delay: float = 0.3
    duplicate_receipts: bool = False
    reordered_receipts: bool = False
    no_receipts: bool = False

    @classmethod
    def read(cls, body: bytes) -> Faults:
        """From JSON like `{"delay": 0.2}`; ValueError or TypeError for anything else."""
        return cls(**json.loads(body))


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP; None instead of one cuts the connection."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None


def is_reachable(phone: str) -> bool:
    """Whether the phone gets what is sent to it: 98 of 100 do, always the same ones."""
    return int(phone[-4:]) % 50 != 13


class Carrier:
    """Takes batches in the dialect of http_batch.py and reports on them to `receipt_url`."""

    def __init__(self, inbox: Inbox, *, secret: str, receipt_url: str) -> None:
        self.inbox = inbox
        self.faults = Faults()
        self._secret = secret
        self._receipt_url = urlsplit(receipt_url)
        self._to_report: queue.SimpleQueue[tuple[float, list[dict[str, str]]]] = queue.SimpleQueue()
        self._changing_faults = threading.Lock()
        threading.Thread(target=self._report, daemon=True).start()

    def take(self, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """A batch of messages that arrived."""
        try:
            signing.check([self._secret], headers, body, now=timezone.now())
        except signing.BadSignature as refusal:
            return _answer(401, {"error": str(refusal)})
        time.sleep(self.faults.delay)
        if self.faults.error:
            return Answer(self.faults.error)
        if self._is_throttling():
            return Answer(429, headers={"Retry-After": "1"})
        try:
            answers = self._deliver(json.loads(body))
        except (ValueError, KeyError, TypeError):
            return _answer(400, {"error": "not a JSON array of id, to and text"})
        return None if self.faults.drop else _answer(200, answers)

    def _is_throttling(self) -> bool:
        with self._changing_faults:
            left = self.faults.throttle
            if left:
                self.faults = replace(self.faults, throttle=left - 1)
            return left > 0

    def _deliver(self, items: list[dict[str, str]]) -> list[dict[str, str]]:
        answers, delivered, receipts = [], [], []
        for item in items:
            ref, phone, text = item["id"], item["to"], item["text"]
            if not PHONE.fullmatch(phone):
                answers.append({"id": ref, "status": "rejected", "code": "BAD_NUMBER"})
                continue
            answers.append({"id": ref, "status": "accepted", "ref": f"sim-{ref}"})
            if is_reachable(phone):
                delivered.append((ref, phone, text))
                receipts.append({"id": ref, "status": "delivered"})
            else:
                receipts.append({"id": ref, "status": "failed", "code": "MK:0001"})
        self.inbox.receive(delivered, now=timezone.now())
        if receipts and not self.faults.no_receipts:
            self._to_report.put((time.monotonic() + self.faults.receipt_delay, receipts))
        return answers

    def _report(self) -> None:
        """Post receipts for ever, in batches, each a moment after its messages."""
        while True:
            due, lines = self._to_report.get()
            time.sleep(max(0.0, due - time.monotonic()))
            while len(lines) < RECEIPTS_IN_ONE_POST and not self._to_report.empty():
                lines = lines + self._to_report.get()[1]
            if self.faults.reordered_receipts:
                lines = lines[::-1]
            posts = [
                lines[at : at + RECEIPTS_IN_ONE_POST]
                for at in range(0, len(lines), RECEIPTS_IN_ONE_POST)
            ]
            for post in posts * 2 if self.faults.duplicate_receipts else posts:
                self._post_until_taken(post)

    def _post_until_taken(self, lines: list[dict[str, str]]) -> None:
        body = json.dumps(lines).encode()
        for _ in range(RECEIPT_TRIES):
            status = self._post(body)
            if status == 204:
                return
            time.sleep(2)
        logger.warning("a receipt was given up after %s tries: %s", RECEIPT_TRIES, status)

    def _post(self, body: bytes) -> int | str:
        headers = {
            "Content-Type": "application/json",
            **signing.signed_headers(self._secret, body, now=timezone.now()),
        }
        url = self._receipt_url
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
        try:
            connection.request("POST", url.path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()


def _answer(status: int, content: Any) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, body, {"Content-Type": "application/json"})
