"""Brokers' apps and other platforms (券商APP): the portal's own dialect, without anybody's phone.

    POST {url}/messages  [{"id": "...", "to": "hex", "title": "...", "text": "...", "link": "..."}]
    200                  [{"id": "...", "status": "accepted"},
                          {"id": "...", "status": "rejected", "code": "UNKNOWN_USER"}, ...]

`to` is HMAC-SHA-256(phone key, phone): the partner computes the same over its own customers'
numbers and finds whom the message is for; a number that it does not know it does not learn either.
Signature, idempotency key and receipts are those of http_batch.py.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.protocol import Kind, Message, ReceiptLine, Reply


class WebhookGateway(HttpBatchGateway):
    """Options: those of http_batch and `phone_key`, agreed with the partner."""

    kind = Kind.APP
    reasons: Mapping[str, Promise] = {"UNKNOWN_USER": _("对方平台没有这个用户")}

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self._phone_key = options["phone_key"].encode()

    def _item(self, message: Message) -> dict[str, str]:
        return {
            "id": message.ref,
            "to": hmac.digest(self._phone_key, message.phone.encode(), "sha256").hex(),
            "title": message.title,
            "text": message.text,
            "link": message.link,
        }

    def _line(self, item: Mapping[str, Any]) -> ReceiptLine | Reply:
        """A partner knows no phones, so it reports of messages only."""
        line = super()._line(item)
        if isinstance(line, Reply):
            raise ValueError("a reply without a phone")
        return line
