"""The portal's own dialect: batches of messages as JSON over signed HTTP, receipts the same way.

    POST {url}/messages  [{"id": "...", "to": "...", "text": "..."}, ...]
    200                  [{"id": "...", "status": "accepted", "ref": "..."},
                          {"id": "...", "status": "rejected", "code": "..."}, ...]
    POST receipts        [{"id": "...", "status": "delivered"},
                          {"id": "...", "status": "failed", "code": "..."}, ...]       answer: 204

Brokers' apps and carriers' adapters that are written for the portal speak it (docs of the
simulator show every field). Other dialects are modules beside this one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from voting_portal.common.logs import without_personal_data
from voting_portal.gateways import signing
from voting_portal.gateways.protocol import (
    Kind,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptAnswer,
    ReceiptLine,
    Report,
    Result,
)

TIMEOUT_SECONDS = 5.0
MOST_ANSWER_BYTES = 1_000_000
REASON_CHARACTERS = 40

_OUTCOMES = {
    "accepted": Outcome.ACCEPTED,
    "rejected": Outcome.REJECTED,
    "throttled": Outcome.THROTTLED,
}


class HttpBatchGateway:
    """Options: `url`, `secret`, `rate`, and if need be `old_secret` and `batch_size`."""

    kind = Kind.SMS
    receipt_answer = ReceiptAnswer(204)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 500))
        self._url = urlsplit(options["url"].rstrip("/") + "/messages")
        self._secrets = [options["secret"]]
        if old := options.get("old_secret"):
            self._secrets.append(old)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        body = json.dumps(
            [{"id": m.ref, "to": m.phone, "text": m.text} for m in messages], ensure_ascii=False
        ).encode()
        # A connection for every batch: one that was kept may have been closed by the carrier
        # meanwhile, and then nobody could say whether the batch had arrived.
        connection = self._connection()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            try:
                connection.connect()
            except OSError as error:
                return _all(messages, Outcome.NOT_SENT, reason=type(error).__name__)
            connection.sock.settimeout(max(0.05, deadline - time.monotonic()))
            try:
                connection.request("POST", self._url.path, body, self._headers(body))
                response = connection.getresponse()
                answer = response.read(MOST_ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                return _all(messages, Outcome.UNKNOWN, reason=type(error).__name__)
        finally:
            connection.close()
        return _read_answer(messages, response, answer)

    def read_receipts(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> list[ReceiptLine]:
        try:
            signing.check(self._secrets, headers, body, now=now)
            return [
                ReceiptLine(
                    ref=str(item["id"]),
                    report=Report(item["status"]),
                    reason=_reason(item),
                )
                for item in json.loads(body)
            ]
        except signing.BadSignature as refusal:
            raise NotFromGateway(str(refusal)) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def _headers(self, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            # The same batch has the same key, for carriers that know what to do with one.
            "Idempotency-Key": hashlib.sha256(body).hexdigest()[:32],
            **signing.signed_headers(self._secrets[0], body, now=timezone.now()),
        }


def _all(
    messages: Sequence[Message], outcome: Outcome, *, reason: str, retry_after: float = 0.0
) -> list[Result]:
    return [Result(m.ref, outcome, reason=reason, retry_after=retry_after) for m in messages]


def _read_answer(
    messages: Sequence[Message], response: http.client.HTTPResponse, answer: bytes
) -> list[Result]:
    """Results from an HTTP answer. What says nothing certain is unknown."""
    status = f"HTTP {response.status}"
    if response.status == 429:
        wait = response.headers.get("Retry-After", "")
        retry_after = float(wait) if wait.isascii() and wait.isdigit() else 1.0
        return _all(messages, Outcome.THROTTLED, reason=status, retry_after=retry_after)
    if 300 <= response.status < 500:
        # Redirects are not followed: a carrier that moves is for a person to look at.
        return _all(messages, Outcome.MISCONFIGURED, reason=status)
    if response.status != 200:
        return _all(messages, Outcome.UNKNOWN, reason=status)
    try:
        items = {str(item["id"]): item for item in json.loads(answer)}
        return [_result(message.ref, items.get(message.ref)) for message in messages]
    except (ValueError, KeyError, TypeError, AttributeError):
        return _all(messages, Outcome.UNKNOWN, reason="unreadable answer")


def _result(ref: str, item: dict[str, Any] | None) -> Result:
    if item is None or item["status"] not in _OUTCOMES:
        return Result(ref, Outcome.UNKNOWN, reason="no answer")
    return Result(
        ref,
        _OUTCOMES[item["status"]],
        gateway_ref=str(item.get("ref", ""))[:64],
        reason=_reason(item),
        retry_after=1.0 if item["status"] == "throttled" else 0.0,
    )


def _reason(item: dict[str, Any]) -> str:
    """The carrier's code, of which a number that it may quote is taken out."""
    return without_personal_data(str(item.get("code", "")))[:REASON_CHARACTERS]
