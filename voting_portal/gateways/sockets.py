"""Gateways that are reached over sockets, not requests: CMPP, SMGP, SGIP and SMPP.

Their links live in one long-running process for each account, `manage.py run_gateway NAME`, which
opens it here. Any other process that sends by the gateway, as the web does with a one-time code,
hands the message to that process over its intake (intake.py).

Options of every such gateway: `url` (tcp://host:port or tls://host:port), `rate`, and if need be
`links`, `batch_size` and `intake`: `{"url": "http://127.0.0.1:port", "secret": "..."}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from voting_portal.gateways.accounts import Account, Keep
from voting_portal.gateways.cmpp import Cmpp
from voting_portal.gateways.dialect import Dialect
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.protocol import (
    Kind,
    Message,
    NotFromGateway,
    Outcome,
    ReceiptAnswer,
    ReceiptLine,
    Reply,
    Result,
)
from voting_portal.gateways.sgip import Sgip
from voting_portal.gateways.smgp import Smgp
from voting_portal.gateways.smpp import Smpp

SOCKET_DIALECTS: dict[str, Callable[[Mapping[str, Any]], Dialect]] = {
    "cmpp": Cmpp,
    "smgp": Smgp,
    "sgip": Sgip,
    "smpp": Smpp,
}

# The accounts that this process has opened.
_open_accounts: dict[str, Account] = {}


class SocketGateway:
    """The gateway as every process sees it; only the one that opened the account has its links."""

    kind = Kind.SMS
    has_own_process = True
    receipt_answer = ReceiptAnswer(404)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.rate = float(options["rate"])
        self.batch_size = int(options.get("batch_size", 200))
        self._options = options
        self._dialect = SOCKET_DIALECTS[options["dialect"]](options)

    @property
    def intake(self) -> Mapping[str, Any] | None:
        intake: Mapping[str, Any] | None = self._options.get("intake")
        return intake

    def open(self, *, keep: Keep) -> Account:
        """Connect this process to the carrier until the account is closed; see Account."""
        account = Account(
            self.name,
            self._dialect,
            url=self._options["url"],
            rate=self.rate,
            links=int(self._options.get("links", 1)),
            listen=str(self._options.get("listen", "")),
            keep=keep,
        )
        account.open()
        _open_accounts[self.name] = account
        return account

    def send(self, messages: Sequence[Message]) -> list[Result]:
        if account := _open_accounts.get(self.name):
            return account.send(messages)
        if self.intake is None:
            reason = "no gateway process"
            return [Result(m.ref, Outcome.NOT_SENT, reason=reason) for m in messages]
        return HttpBatchGateway(self.name, {"rate": self.rate, **self.intake}).send(messages)

    def read_receipts(
        self,
        headers: Mapping[str, str],  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        *,
        now: datetime,  # noqa: ARG002
    ) -> list[ReceiptLine | Reply]:
        raise NotFromGateway("this carrier reports over its links, not over HTTP")
