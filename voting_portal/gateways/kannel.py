"""Kannel, the free SMS gateway: one request a message, reports by a GET to an address of ours.

    POST {url}/cgi-bin/sendsms   text in the body, number and account in X-Kannel headers
    202                          0: Accepted for delivery
    GET  {receipts_url}?ref=...&mac=...&state=1&said=...

Kannel fills `state` and `said` into the address that it was given with the message. `mac` shows
that the address was ours and for this message.

Options: `url`, `username`, `password`, `secret`, `receipts_url`, `src_id`, `rate`, and if need be
`old_secret`, `batch_size`, `ca_file` and `lines`, how many requests are under way at a time.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from voting_portal.gateways import dialect
from voting_portal.gateways.http_exchange import (
    Endpoint,
    Line,
    Verdict,
    attempt,
    judge,
    send_each,
)
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

TARGET = "/cgi-bin/sendsms"
# Delivered, failed, queued by the carrier, taken by the carrier, refused by the carrier.
EVERY_REPORT = 1 | 2 | 4 | 8 | 16
_REPORTS = {
    1: Report.DELIVERED,
    2: Report.FAILED,
    4: Report.NETWORK,
    8: Report.NETWORK,
    16: Report.FAILED,
}


class KannelGateway:
    kind = Kind.SMS
    receipt_answer = ReceiptAnswer(204)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 100))
        self._lines = int(options.get("lines", 16))
        self._endpoint = Endpoint(options["url"], ca_file=options.get("ca_file", ""))
        self._receipts_url = options["receipts_url"]
        self._account = {
            "X-Kannel-Username": options["username"],
            "X-Kannel-Password": options["password"],
            "X-Kannel-From": options["src_id"],
        }
        self._secrets = [s for n in ("secret", "old_secret") if (s := options.get(n))]
        if not self._secrets:
            raise KeyError("secret")

    def send(self, messages: Sequence[Message]) -> list[Result]:
        return send_each(self._endpoint, messages, self._send_one, lines=self._lines)

    def _send_one(self, line: Line, message: Message) -> Verdict:
        try:
            phone = dialect.digits(message.phone)
        except dialect.Unsendable as fault:
            return Verdict(Outcome.REJECTED, str(fault))
        headers = {
            **self._account,
            "X-Kannel-To": phone,
            "X-Kannel-Coding": "2",
            "X-Kannel-DLR-Mask": str(EVERY_REPORT),
            "X-Kannel-DLR-Url": self._receipt_address(message.ref),
            "Content-Type": "text/plain; charset=UTF-8",
        }
        body = message.text.encode("utf-8", "replace")
        answer = attempt(lambda: line.exchange("POST", TARGET, body, headers))
        if answer == Verdict(Outcome.UNKNOWN, "HTTP 503"):  # by which it says that it kept nothing
            return Verdict(Outcome.THROTTLED, "HTTP 503", retry_after=1.0)
        if isinstance(answer, Verdict):
            return answer
        if answer.status == 202:
            return Verdict(Outcome.ACCEPTED)
        return judge(answer) or Verdict(Outcome.UNKNOWN, "unreadable answer")

    def read_receipts(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - Kannel sends none that matter
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002
    ) -> list[ReceiptLine]:
        """`body` is what stands behind the ? of the address."""
        try:
            said = {name: values[0] for name, values in parse_qs(body.decode("ascii")).items()}
            ref, given, state = said["ref"], said["mac"], int(said["state"])
        except (ValueError, KeyError):
            raise NotFromGateway("the receipt cannot be read") from None
        macs = [_mac(secret, ref) for secret in self._secrets]
        if not any(hmac.compare_digest(given.encode(), mac.encode()) for mac in macs):
            raise NotFromGateway("the address was not made here")
        report = _REPORTS.get(state, Report.NETWORK)
        words, code = dialect.state_in(said.get("said", "").encode())
        reason = "" if report is Report.DELIVERED else f"{words} {code}".strip() or str(state)
        return [ReceiptLine(ref, report, reason)]

    def _receipt_address(self, ref: str) -> str:
        """With the places that Kannel fills in: the state, and the carrier's own words."""
        signed = urlencode({"ref": ref, "mac": _mac(self._secrets[0], ref)})
        return f"{self._receipts_url}?{signed}&state=%d&said=%A"


def _mac(secret: str, ref: str) -> str:
    return hmac.digest(secret.encode(), b"kannel receipt " + ref.encode(), "sha256").hex()[:32]
