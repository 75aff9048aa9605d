"""The portal's own dialect: batches of messages as JSON over signed HTTP, receipts the same way.

    POST {url}/messages  [{"id": "...", "to": "...", "text": "..."}, ...]
    200                  [{"id": "...", "status": "accepted", "ref": "..."},
                          {"id": "...", "status": "rejected", "code": "..."}, ...]
    POST receipts        [{"id": "...", "status": "delivered"},
                          {"id": "...", "status": "failed", "code": "..."},
                          {"from": "...", "text": "退订"}, ...]                    answer: 204

Carriers' adapters that are written for the portal speak it; brokers' apps speak webhook.py, which
differs in what an item says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from voting_portal.gateways import signing
from voting_portal.gateways.http_exchange import Answer, Endpoint, Verdict, attempt, judge, reason
from voting_portal.gateways.protocol import (
    Kind,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptAnswer,
    ReceiptLine,
    Reply,
    Report,
    Result,
)

_OUTCOMES = {
    "accepted": Outcome.ACCEPTED,
    "rejected": Outcome.REJECTED,
    "throttled": Outcome.THROTTLED,
}


class HttpBatchGateway:
    """Options: `url`, `secret`, `rate`, and if need be `old_secret`, `batch_size`, `ca_file`."""

    kind = Kind.SMS
    receipt_answer = ReceiptAnswer(204)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 500))
        self._endpoint = Endpoint(options["url"], ca_file=options.get("ca_file", ""))
        self._secret, self._old_secret = options["secret"], options.get("old_secret", "")

    def send(self, messages: Sequence[Message]) -> list[Result]:
        body = json.dumps([self._item(m) for m in messages], ensure_ascii=False).encode()
        answer = attempt(
            lambda: self._endpoint.exchange("POST", "/messages", body, self._headers(body))
        )
        if isinstance(answer, Answer):
            verdict = judge(answer)
            if verdict is None:
                return _read_answer(messages, answer.body)
        else:
            verdict = answer
        return [verdict.on(message) for message in messages]

    def read_receipts(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> list[ReceiptLine | Reply]:
        live = [secret for secret in (self._secret, self._old_secret) if secret]
        try:
            signing.check(live, headers, body, now=now)
            return [self._line(item) for item in json.loads(body)]
        except signing.BadSignature as refusal:
            raise NotFromGateway(str(refusal)) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotFromGateway("the receipt cannot be read") from None

    def _item(self, message: Message) -> dict[str, str]:
        return {"id": message.ref, "to": message.phone, "text": message.text}

    def _line(self, item: Mapping[str, Any]) -> ReceiptLine | Reply:
        if "from" in item:
            return Reply(str(item["from"]), str(item["text"]))
        return ReceiptLine(str(item["id"]), Report(item["status"]), reason(item.get("code", "")))

    def _headers(self, body: bytes) -> dict[str, str]:
        signed = signing.signed_headers(
            self._secret, body, now=timezone.now(), old_secret=self._old_secret
        )
        # The same batch has the same key, for carriers that know what to do with one.
        key = hashlib.sha256(body).hexdigest()[:32]
        return {"Content-Type": "application/json", "Idempotency-Key": key, **signed}


def _read_answer(messages: Sequence[Message], body: bytes) -> list[Result]:
    """Results from the answer to a batch. What says nothing certain is unknown."""
    try:
        items = {str(item["id"]): item for item in json.loads(body)}
        return [_verdict(items.get(message.ref)).on(message) for message in messages]
    except (ValueError, KeyError, TypeError, AttributeError):
        unreadable = Verdict(Outcome.UNKNOWN, "unreadable answer")
        return [unreadable.on(message) for message in messages]


def _verdict(item: Mapping[str, Any] | None) -> Verdict:
    if item is None or item["status"] not in _OUTCOMES:
        return Verdict(Outcome.UNKNOWN, "no answer")
    outcome = _OUTCOMES[item["status"]]
    return Verdict(
        outcome,
        reason(item.get("code", "")),
        gateway_ref=str(item.get("ref", ""))[:64],
        retry_after=1.0 if outcome is Outcome.THROTTLED else 0.0,
    )
